// The running workload's own objectives: each with its bound, what it comes to now, and whether it holds.
//
// Cells are renewed in place each second, so that nobody who reads them with a screen reader is thrown back to the top;
// what is read aloud by itself is one sentence, and only when it says something else than before.

import { el, setClass, setText, tableHead } from "./dom.js";
import { count, duration, percent, rate } from "./format.js";
import { currentLanguage, say } from "./words.js";

const ICONS = { holds: "✓", missed: "✕" };
const BADGES = { holds: "badge badge-holds", missed: "badge badge-missed" };

/** A figure of an objective in its own unit. */
export function figureOf(value, unit, language) {
  if (value === null || value === undefined) return "–";
  if (unit === "s") return duration(value * 1e6, language);
  if (unit === "ratio") return percent(value, language);
  if (unit === "count") return count(value, language);
  const sign = value < 0 ? "−" : "";
  return `${sign}${rate(Math.abs(value), language)} ${say(unit === "documents/s" ? "unit_documents_per_s" : "unit_deliveries_per_s")}`;
}

/** What it is now; a figure that is missed by less than its digits tell is not shown as if it were the bound itself. */
export function figureNow(one, language) {
  const figure = figureOf(one.value, one.unit, language);
  const misread = one.state === "missed" && figure === figureOf(one.limit, one.unit, language);
  return misread ? `${one.at_least ? "<" : ">"} ${figure}` : figure;
}

/** How many hold, are missed, and are not judged. */
export function tally(objectives) {
  const holds = objectives.filter((one) => one.state === "holds").length;
  const missed = objectives.filter((one) => one.state === "missed").length;
  return { all: objectives.length, holds, missed, open: objectives.length - holds - missed };
}

export class Held {
  constructor() {
    this.title = el("h3");
    this.said = el("p", { role: "status", className: "hint" });
    this.table = el("table", { className: "held" });
    this.box = el("div", { hidden: true }, this.title, this.said, this.table);
    this.made = "";
    this.rows = [];
  }

  draw(objectives) {
    const language = currentLanguage();
    this.box.hidden = !objectives.length;
    if (this.box.hidden) return;
    const made = JSON.stringify([language, objectives.map((one) => [one.name, one.text_en, one.scope_en])]);
    if (made !== this.made) {
      this.made = made;
      this.make(objectives, language);
    }
    const { all, holds, missed, open } = tally(objectives);
    const key = missed ? "held_missed_some" : open ? "held_open" : "held_all";
    setText(this.said, say(key, { all: count(all, language), holds: count(holds, language), missed: count(missed, language) }));
    objectives.forEach((one, number) => {
      const { row, now, mark } = this.rows[number];
      setClass(row, one.state === "missed" ? "row-bad" : "");
      setText(now, figureNow(one, language));
      setClass(mark, BADGES[one.state] ?? "badge");
      setText(mark, `${ICONS[one.state] ?? "·"} ${say(`held_${one.state}`)}`);
    });
  }

  make(objectives, language) {
    setText(this.title, say("held_title"));
    this.table.setAttribute("aria-label", say("held_title"));
    this.rows = objectives.map((one) => {
      const [now, mark] = [el("span"), el("span", { className: "badge" })];
      const what = `${one[`text_${language}`]} · ${one[`scope_${language}`]}`;
      const bound = `${one.at_least ? "≥" : "≤"} ${figureOf(one.limit, one.unit, language)}`;
      const row = el(
        "tr",
        {},
        el("th", { scope: "row" }, one.name, el("small", {}, what)),
        el("td", { className: "number" }, now, el("small", {}, bound)),
        el("td", {}, mark),
      );
      return { row, now, mark };
    });
    const heads = [[say("objective")], [say("held_now"), "number"], [say("held_state")]];
    this.table.replaceChildren(tableHead(heads), el("tbody", {}, ...this.rows.map(({ row }) => row)));
  }
}
