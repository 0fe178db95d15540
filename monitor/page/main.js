// The page: takes what the stream tells into the model, and draws what changed.

import { Agencies } from "./agencies.js";
import { drawCharts } from "./charts.js";
import { $, el, segments, setClass, setText } from "./dom.js";
import { Drawer } from "./drawer.js";
import { HeatMap } from "./heat.js";
import { applyTick, begin, readRegistry } from "./model.js";
import { drawHealth, drawLedger, drawStages, drawTiles } from "./overview.js";
import { drawObjectives, drawRefused, drawWorkload } from "./parts.js";
import { ask, Stream } from "./stream.js";
import { currentLanguage, say, setLanguage, shownCode } from "./words.js";

const RANGES = { "10m": 600_000, "2h": 7_200_000, "24h": 86_400_000 };
const THEMES = ["auto", "light", "dark"];
const COARSE_EVERY_MS = 10_000;

const asked = new URLSearchParams(location.search);
setLanguage(asked.get("lang") ?? (navigator.language.startsWith("vi") ? "vi" : "en"));

let model = begin({});
let registry = [];
let byCode = new Map();
let range = "10m";
let coarse = { points: [], askedMs: 0 };
let link = ["lost", 0];

const nameOf = (code) => {
  const agency = byCode.get(code);
  return agency ? `${shownCode(agency)} ${agency[currentLanguage()]}` : code || "–";
};
const drawer = new Drawer(() => model.run, nameOf, () => model.late_after_s ?? 60);
const openList = (wanted) => drawer.list(wanted);
const agencies = new Agencies(openList);
const heat = new HeatMap(openList);
const stream = new Stream(
  (event, data) => {
    const before = model;
    model = event === "state" ? begin(data) : applyTick(model, data);
    draw(before, event === "state");
  },
  (state, seconds) => {
    link = [state, seconds];
    drawLink();
  },
);

// --- drawing

function draw(before, all) {
  const changed = (...parts) => all || parts.some((part) => model[part] !== before[part]);
  if (changed("health")) drawHealth(model);
  if (changed("runs", "run")) drawRuns();
  drawTiles(model, openList);
  if (changed("totals")) drawLedger(model, openList);
  if (changed("stages")) drawStages(model);
  if (changed("refused")) drawRefused(model, nameOf, (id) => drawer.journey(id));
  if (changed("objectives")) drawObjectives(model);
  if (changed("workload", "arrivals")) drawWorkload(model);
  if (changed("workers")) drawFoot();
  agencies.draw(model, registry);
  heat.draw(model, registry, all);
  drawRanges();
}

async function drawRanges() {
  if (range === "10m") {
    drawCharts(model.points, model.columns, RANGES[range]);
    return;
  }
  if (Date.now() - coarse.askedMs < COARSE_EVERY_MS) return;
  coarse.askedMs = Date.now();
  const found = await ask("/api/series", { run: model.run, range });
  if (found.ok && range !== "10m") drawCharts(found.points, model.columns, RANGES[range]);
}

function drawRuns() {
  const select = $("run");
  const wanted = asked.get("run") ?? "";
  if (document.activeElement === select) return; // an open list is not changed under the pointer
  const newest = model.runs[0]?.[0] ?? "";
  const options = [["", `${newest || "–"} (${say("newest_run")})`], ...model.runs.map(([run, active]) => [run, active ? `● ${run}` : run])];
  select.replaceChildren(...options.map(([value, text]) => el("option", { value, textContent: text, selected: value === wanted })));
}

function drawLink() {
  const [state, seconds] = link;
  setText($("link"), say(`link_${state}`, { seconds }));
  setClass($("link"), `link link-${state}`);
}

function drawFoot() {
  const [workers, answering] = model.workers;
  $("foot").replaceChildren(el("span", {}, say("workers", { workers, answering })), el("span", {}, say("foot")));
}

function theme() {
  return THEMES.includes(localStorage.getItem("docaxis-theme")) ? localStorage.getItem("docaxis-theme") : "auto";
}

function drawAll() {
  document.documentElement.lang = currentLanguage();
  document.documentElement.dataset.theme = theme();
  document.title = `docaxis · ${say("page_title")}`;
  for (const element of document.querySelectorAll("[data-word]")) setText(element, say(element.dataset.word));
  $("find-id").placeholder = say("find_hint");
  $("find-id").setAttribute("aria-label", say("find_hint"));
  $("lang").textContent = say("other_language");
  $("lang").lang = currentLanguage() === "vi" ? "en" : "vi";
  $("theme").textContent = say(`theme_${theme()}`);
  segments($("ranges"), Object.keys(RANGES).map((name) => [name, say(`range_${name}`)]), range, chooseRange);
  coarse.askedMs = 0;
  drawLink();
  draw(model, true);
}

// --- choices

function chooseRange(name) {
  range = name;
  drawAll();
}

function remember(name, value) {
  if (value) asked.set(name, value);
  else asked.delete(name);
  history.replaceState(null, "", asked.size ? `?${asked}` : location.pathname);
}

$("lang").addEventListener("click", () => {
  setLanguage(currentLanguage() === "vi" ? "en" : "vi");
  remember("lang", currentLanguage());
  drawAll();
});
$("theme").addEventListener("click", () => {
  localStorage.setItem("docaxis-theme", THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
  drawAll();
});
$("run").addEventListener("change", (event) => {
  remember("run", event.target.value);
  coarse.askedMs = 0; // the other run's points at once
  stream.open(event.target.value);
});
$("run").addEventListener("blur", drawRuns); // what came meanwhile
$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = $("find-id").value.trim();
  if (id) drawer.journey(id);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
document.addEventListener("visibilitychange", () => !document.hidden && drawAll());

// --- begin

drawAll();
const rows = await fetch("/api/registry").then((answer) => answer.json());
registry = readRegistry(rows);
byCode = new Map(registry.map((agency) => [agency.code, agency]));
stream.open(asked.get("run") ?? "");
