// The smaller parts: refusals, the running workload with its controls, objectives.

import { $, el, fill, setText, tableHead } from "./dom.js";
import { count, duration, percent, rate, timeOfDay } from "./format.js";
import { Held } from "./held.js";
import { currentLanguage, say } from "./words.js";

const REFUSED_SHOWN = 12;
const REFUSED_HEADS = ["refused_when", "refused_why", "refused_what"];
let refused = null;

function makeRefused() {
  refused = { title: el("h2"), codes: el("ul", { className: "pills" }), none: el("p", { className: "empty" }), body: el("tbody"), rows: new Map() };
  refused.table = el("table", {}, tableHead(REFUSED_HEADS.map(() => [""])), refused.body);
  refused.scroll = el("div", { className: "scroll", tabIndex: 0, role: "region" }, refused.table);
  $("refused").replaceChildren(el("div", { className: "card-head" }, refused.title), refused.codes, refused.none, refused.scroll);
}

export function drawRefused(model, nameOf, journey) {
  if (!refused) makeRefused();
  const language = currentLanguage();
  const { codes, rows } = model.refused;
  setText(refused.title, say("refused"));
  setText(refused.none, say("refused_none"));
  const pills = Object.entries(codes).map(([code, n]) => el("li", {}, el("span", { className: "pill" }, code, el("b", {}, count(n, language)))));
  refused.codes.replaceChildren(...pills);
  refused.codes.hidden = !pills.length;
  refused.none.hidden = rows.length > 0;
  refused.scroll.hidden = !rows.length;
  refused.scroll.setAttribute("aria-label", say("refused"));
  REFUSED_HEADS.forEach((key, i) => setText(refused.table.tHead.rows[0].cells[i], say(key)));
  // What was refused does not change: its row stays as long as it is among the newest, and its button keeps the focus.
  const before = refused.rows;
  refused.rows = new Map();
  for (const one of rows.slice(0, REFUSED_SHOWN)) {
    const names = [one[4], one[5]].filter(Boolean).map(nameOf);
    const key = JSON.stringify([one, names]);
    refused.rows.set(key, before.get(key) ?? refusedRow(one, names, journey));
  }
  fill(refused.body, [...refused.rows.values()]);
}

function refusedRow([at, code, reason, id, , , place], names, journey) {
  const what = id
    ? el("button", { type: "button", className: "linked", onclick: () => journey(id) }, id)
    : el("span", { className: "code" }, place);
  return el(
    "tr",
    {},
    el("td", { className: "number" }, timeOfDay(at)),
    el("td", {}, el("span", { className: "badge badge-refused" }, String(code)), ` ${reason}`),
    el("td", {}, what, names.length > 0 && el("small", {}, names.join(" → "))),
  );
}

let objectives = null;

function makeObjectives() {
  const body = el("tbody");
  const table = el("table", {}, tableHead([[""], ["", "number"], ["", "number"], [""]]), body);
  objectives = { title: el("h2"), heads: [...table.tHead.rows[0].cells], body, period: el("small") };
  $("objectives").replaceChildren(el("div", { className: "card-head" }, objectives.title), table, objectives.period);
}

export function drawObjectives(model) {
  const language = currentLanguage();
  const box = $("objectives");
  box.hidden = !model.objectives.length;
  if (box.hidden) return;
  const days = model.objectives[0].period_days;
  if (!objectives) makeObjectives();
  const heads = ["objective", "target", "achieved", "budget_left"];
  heads.forEach((key, i) => setText(objectives.heads[i], say(key)));
  setText(objectives.title, say("objectives"));
  const rows = model.objectives.map((one) => {
    const left = one.budget_left === null ? "" : el("span", { className: `bar bar-${one.state}` }, el("i", {}));
    if (left) left.firstChild.style.width = `${Math.max(0, Math.min(1, one.budget_left ?? 0)) * 100}%`;
    return el(
      "tr",
      { className: one.state === "good" ? "" : `row-${one.state}` },
      el("th", { scope: "row" }, one[`title_${language}`], counted(one, language)),
      el("td", { className: "number" }, percent(one.target, language)),
      el("td", { className: "number" }, percent(one.achieved, language)),
      el("td", {}, one.budget_left === null ? say(one.bad ? "none_allowed_missed" : "none_allowed") : budget(one.budget_left, language), left),
    );
  });
  objectives.body.replaceChildren(...rows);
  setText(objectives.period, days ? say("budget_period", { days: count(days, language) }) : "");
}

/** What is left of an error budget; where it is overspent, how often it was spent: minus so many per cent says little. */
function budget(left, language) {
  return left < 0 ? say("overspent", { times: rate(1 - left, language) }) : percent(left, language);
}

/** What the share is of, and how fast the budget is spent where that is too fast. */
function counted(one, language) {
  if (one.total === undefined) return "";
  const figures = { bad: count(one.bad, language), total: count(one.total, language) };
  const parts = [say({ seconds: "bad_of_seconds", lost: "lost_of" }[one.unit] ?? "bad_of", figures)];
  if (one.burn_rate > 1) parts.push(say("burns", { rate: count(Math.round(one.burn_rate), language) }));
  return el("small", {}, parts.join("; "));
}

const ARRIVALS = ["scheduled", "acked", "in_flight", "dropped", "failed", "unknown"];

let workload = null;

function makeWorkload() {
  workload = { title: el("h2"), figures: el("dl", { className: "figures" }), phases: el("ol", { className: "phases" }), held: new Held(), controls: el("div"), controlled: "" };
  $("workload").replaceChildren(el("div", { className: "card-head" }, workload.title), workload.figures, workload.phases, workload.held.box, workload.controls);
}

export function drawWorkload(model) {
  const language = currentLanguage();
  const box = $("workload");
  box.hidden = !model.workload && !model.arrivals;
  if (box.hidden) return;
  if (!workload) makeWorkload();
  setText(workload.title, model.workload?.name ?? say("arrivals"));
  workload.figures.replaceChildren(...(model.arrivals ? ARRIVALS.map((name) => figure(name, model.arrivals[name], language)) : []));
  workload.phases.hidden = !model.workload?.phases?.length;
  workload.phases.replaceChildren(...(workload.phases.hidden ? [] : phases(model.workload, language)));
  workload.held.draw(model.workload?.objectives ?? []);
  // Controls are made anew only when they are others: nothing is taken from under a pointer or somebody's typing.
  const controlled = JSON.stringify([language, model.run, model.workload?.controls ?? []]);
  if (controlled !== workload.controlled && !workload.controls.contains(document.activeElement)) {
    workload.controlled = controlled;
    workload.controls.replaceChildren(...(model.workload?.controls?.length ? [controls(model)] : []));
  }
}

function figure(name, value, language) {
  const bad = value && ["dropped", "failed", "unknown"].includes(name);
  return el("div", { className: bad ? "figure figure-bad" : "figure" }, el("dt", {}, say(`arr_${name}`)), el("dd", {}, count(value, language)));
}

function phases(offered, language) {
  const items = offered.phases.map((phase) => {
    const length = phase.seconds === null ? "…" : duration(phase.seconds * 1e6, language);
    const words = [el("b", {}, phase.name), el("span", {}, say(`phase_${phase.state}`)), el("span", {}, length)];
    return el("li", { className: `phase phase-${phase.state}` }, ...words);
  });
  if (offered.paused) items.push(el("li", { className: "phase phase-paused" }, el("b", {}, say("paused"))));
  if (offered.percent !== undefined && offered.percent !== 100) {
    items.push(el("li", { className: "phase" }, say("percent_of_rate", { percent: count(offered.percent, language) })));
  }
  return items;
}

function controls(model) {
  const language = currentLanguage();
  const token = el("input", { type: "password", autocomplete: "current-password", id: "token", "aria-label": say("token"), placeholder: say("token") });
  token.value = sessionStorage.getItem("docaxis-token") ?? "";
  const said = el("span", { role: "status", className: "hint" });
  const send = async (name, value) => {
    sessionStorage.setItem("docaxis-token", token.value);
    const answer = await fetch(`/api/control/${encodeURIComponent(name)}?run=${encodeURIComponent(model.run)}`, {
      method: "POST",
      headers: { Authorization: `Bearer ${token.value}`, "Content-Type": "application/json" },
      body: JSON.stringify(value === undefined ? {} : { value }),
    });
    const body = await answer.json().catch(() => ({}));
    said.textContent = answer.ok ? say("control_done") : answer.status === 403 ? say("control_denied") : (body.error ?? answer.statusText);
  };
  const made = model.workload.controls.map((one) => {
    const label = one[`label_${language}`];
    const input = one.value === undefined ? null : el("input", { type: "number", min: String(one.min), max: String(one.max), step: "any", value: String(one.value), "aria-label": label });
    const press = () => send(one.name, input ? Number(input.value) : undefined);
    return el("span", { className: "control" }, input, el("button", { type: "button", onclick: press }, label));
  });
  // A form around it only because browsers want one around a password; nothing of it is submitted.
  const user = el("input", { type: "text", autocomplete: "username", hidden: true, "aria-hidden": "true" });
  return el("form", { className: "bar-line steer", onsubmit: (event) => event.preventDefault() }, user, token, ...made, said);
}
