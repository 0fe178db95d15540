// What is seen first: the state in one sentence, the tiles, the ledger, the stages.

import { $, el, setClass, setText, tableHead } from "./dom.js";
import { count, duration, rate } from "./format.js";
import { balances, newest } from "./model.js";
import { currentLanguage, say } from "./words.js";

const ICONS = { good: "✓", quiet: "·", attention: "!", bad: "✕", none: "…" };

function bound(model) {
  return duration(model.late_after_s * 1e6, currentLanguage());
}

function sentence(one, model) {
  const language = currentLanguage();
  const figures = { bound: bound(model) };
  for (const [name, value] of Object.entries(one)) figures[name] = typeof value === "number" ? count(value, language) : value;
  if (one.where) figures.where = say(`where_${one.where}`);
  return say(`says_${one.key}`, figures);
}

let healthShown = "";

/** The banner. It is a live region, so it is touched only when what it says has changed. */
export function drawHealth(model) {
  const { level, says } = model.health;
  const texts = says.map((one) => sentence(one, model));
  // Seconds that count up must not be read aloud each second: the key of what is said decides, figures follow it.
  const said = [level, currentLanguage(), ...says.map((one) => one.key)].join("|");
  const box = $("health");
  if (said !== healthShown) {
    healthShown = said;
    setClass(box, `health level-${level}`);
    box.replaceChildren(
      el("span", { className: "health-icon", "aria-hidden": "true" }, ICONS[level]),
      el("div", {}, el("strong", { className: "health-level" }, say(`level_${level}`)), ...texts.map((text) => el("p", {}, text))),
    );
    return;
  }
  [...box.querySelectorAll("p")].forEach((line, i) => setText(line, texts[i] ?? ""));
}

const TILES = ["sent", "received", "waiting", "latency", "refused", "faults"];
let tiles = null;

function makeTiles(openList) {
  tiles = {};
  $("tiles").replaceChildren(
    ...TILES.map((name) => {
      const value = el("span", { className: "tile-value" });
      const sub = el("span", { className: "tile-sub" });
      const title = el("span", { className: "tile-title" });
      const tile = name === "waiting" ? el("button", { type: "button", onclick: () => openList({}) }) : el("div");
      tile.append(title, value, sub);
      tiles[name] = { tile, title, value, sub };
      return tile;
    }),
  );
}

export function drawTiles(model, openList) {
  if (!tiles) makeTiles(openList);
  const language = currentLanguage();
  const n = (value) => count(value ?? 0, language);
  const totals = model.totals ?? {};
  const [p50, p99] = [newest(model, "p50_us"), newest(model, "p99_us")];
  const perSecond = (column) => say("rate_now", { rate: rate(newest(model, column) ?? 0, language) });
  const faults = (totals.duplicated ?? 0) + (totals.misrouted ?? 0) + (totals.contradictions ?? 0);
  const late = totals.open_late ?? 0;
  const shown = {
    sent: [n(totals.sent), perSecond("documents_per_s"), ""],
    received: [n(totals.received), perSecond("receipts_per_s"), ""],
    waiting: [n(totals.outstanding), say(late ? "tile_waiting_sub" : "tile_waiting_none", { late: n(late), bound: bound(model) }), late ? "attention" : ""],
    latency: [p99 ? duration(p99, language) : "–", p50 ? say("tile_latency_sub", { median: duration(p50, language) }) : "", ""],
    refused: [n(totals.refused), say("tile_refused_sub", { refusals: n(totals.refusals) }), totals.refused ? "attention" : ""],
    faults: [n(faults), say("tile_faults_sub"), faults ? "bad" : ""],
  };
  for (const [name, [value, sub, level]] of Object.entries(shown)) {
    setText(tiles[name].title, say(`tile_${name}`));
    setText(tiles[name].value, value);
    setText(tiles[name].sub, sub);
    setClass(tiles[name].tile, `tile ${level ? `tile-${level}` : ""}`.trim());
  }
}

const LEDGER = [
  ["expected", "deliveries_expected", null],
  ["delivered_once", "delivered_once", null],
  ["hub", "at_hub", { stage: "hub" }],
  ["inbox", "in_inboxes", { stage: "" }],
  ["late_open", "open_late", { late: true }],
  ["refused", "refused", null],
  ["duplicated", "duplicated", null],
  ["misrouted", "misrouted", null],
  ["failed", "failed", null],
  ["late", "late", null],
];
const WRONG = new Set(["duplicated", "misrouted"]);
const WORTH_A_LOOK = new Set(["late_open", "refused", "failed", "late"]);
let ledger = null;

function makeLedger(openList) {
  ledger = {};
  const rows = LEDGER.map(([name, , asked]) => {
    const label = el("th", { scope: "row" });
    const value = el("td", { className: "number" });
    const button = asked && el("button", { type: "button", className: "small", onclick: () => openList(asked) });
    const row = el("tr", {}, label, value, el("td", { className: "act" }, button));
    ledger[name] = { row, label, value, button };
    return row;
  });
  ledger.title = el("h2");
  ledger.note = el("p", { className: "hint" });
  $("ledger").replaceChildren(el("div", { className: "card-head" }, ledger.title), el("table", { className: "ledger" }, el("tbody", {}, ...rows)), ledger.note);
}

export function drawLedger(model, openList) {
  if (!ledger) makeLedger(openList);
  setText(ledger.title, say("ledger"));
  const totals = model.totals ?? {};
  for (const [name, key] of LEDGER) {
    const { row, label, value, button } = ledger[name];
    const figure = totals[key] ?? 0;
    const words = say(`ledger_${name}`, { bound: bound(model) });
    setText(label, words);
    setText(value, count(figure, currentLanguage()));
    setClass(row, figure && WRONG.has(name) ? "row-bad" : figure && WORTH_A_LOOK.has(name) ? "row-attention" : "");
    if (button) {
      setText(button, say("show_which"));
      button.setAttribute("aria-label", `${say("show_which")} ${words}`);
      button.disabled = !figure;
    }
  }
  const even = !model.totals || balances(model.totals);
  setText(ledger.note, say(even ? "ledger_balances" : "ledger_balance_off"));
}

const STAGES = ["send_delay", "acceptance", "routing", "pickup", "delivery", "delivery_uncorrected"];

const STAGE_HEADS = ["stage", "samples", "median", "p99"];
let stages = null;

function makeStages() {
  const rows = STAGES.map((name) => {
    const [short, rest, bar] = [el("span"), el("small"), el("i")];
    const cells = STAGE_HEADS.slice(1).map(() => el("td", { className: "number" }));
    const head = el("th", { scope: "row" }, short, rest, el("span", { className: "bar" }, bar));
    return { row: el("tr", { className: name === "delivery" ? "row-sum" : "" }, head, ...cells), short, rest, bar, cells };
  });
  const table = el("table", {}, tableHead(STAGE_HEADS.map((_, i) => ["", i ? "number" : ""])), el("tbody", {}, ...rows.map(({ row }) => row)));
  stages = { title: el("h2"), heads: [...table.tHead.rows[0].cells], rows };
  $("stages").replaceChildren(el("div", { className: "card-head" }, stages.title), table);
}

/** The stages of a delivery's time. The table stays the same elements: a new one each second costs the browser dear. */
export function drawStages(model) {
  if (!stages) makeStages();
  const language = currentLanguage();
  setText(stages.title, say("stages"));
  STAGE_HEADS.forEach((key, i) => setText(stages.heads[i], say(key)));
  const widest = Math.max(1, ...STAGES.map((name) => model.stages[name]?.[2] ?? 0));
  STAGES.forEach((name, number) => {
    const { short, rest, bar, cells } = stages.rows[number];
    const [samples, p50, p99] = model.stages[name] ?? [0, 0, 0];
    const [title, explained] = say(`stage_${name}`).split(": ");
    setText(short, title);
    setText(rest, explained ?? "");
    bar.style.width = `${(100 * p99) / widest}%`;
    const figures = [count(samples, language), samples ? duration(p50, language) : "–", samples ? duration(p99, language) : "–"];
    figures.forEach((figure, i) => setText(cells[i], figure));
  });
}
