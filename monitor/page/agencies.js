// The agencies as a ranked table. Rows stay the same elements, so focus and selection survive every second.

import { $, el, setText } from "./dom.js";
import { count, duration } from "./format.js";
import { AGENCY, rankAgencies } from "./model.js";
import { currentLanguage, say } from "./words.js";

const COLUMNS = ["sent", "received", "waiting", "inbox", "p99_us", "oldest_us", "seen_us", "refused"];

/** The order is taken anew so often; while somebody is inside the table it stays. */
const ORDER_EVERY_MS = 3000;

export class Agencies {
  constructor(openList) {
    this.openList = openList;
    this.sort = { by: "sent", descending: true };
    this.filter = "";
    this.rows = new Map();
    this.orderedMs = 0;
  }

  #make() {
    this.title = el("h2");
    this.input = el("input", { type: "search", id: "agency-filter", autocomplete: "off", maxLength: 60 });
    this.input.addEventListener("input", () => {
      this.filter = this.input.value;
      this.#fill(true);
    });
    this.heads = new Map();
    const heads = ["code", ...COLUMNS].map((name) => {
      const button = el("button", { type: "button", className: "sort", onclick: () => this.#sortBy(name) });
      const head = el("th", { scope: "col", className: name === "code" ? "" : "number" }, button);
      this.heads.set(name, { head, button });
      return head;
    });
    this.body = el("tbody");
    this.empty = el("p", { className: "empty" });
    $("agencies").replaceChildren(
      el("div", { className: "card-head" }, this.title, this.input),
      el("div", { className: "scroll", tabIndex: 0, role: "region", "aria-labelledby": "agencies-title" },
        el("table", { className: "ranked" }, el("thead", {}, el("tr", {}, ...heads)), this.body), this.empty),
    );
    this.title.id = "agencies-title";
  }

  #sortBy(name) {
    const same = this.sort.by === name;
    this.sort = { by: name, descending: same ? !this.sort.descending : name !== "code" };
    this.#fill(true);
  }

  draw(model, registry) {
    this.model = model;
    this.registry = registry;
    if (!this.title) this.#make();
    setText(this.title, say("agencies"));
    this.input.placeholder = say("agencies_filter");
    this.input.setAttribute("aria-label", say("agencies_filter"));
    this.#fill(false);
  }

  #fill(now) {
    for (const [name, { head, button }] of this.heads) {
      const label = name === "code" ? say("agency") : say(`col_${name}`);
      const sorted = this.sort.by === name;
      setText(button, label + (sorted ? (this.sort.descending ? " ↓" : " ↑") : ""));
      if (sorted) head.setAttribute("aria-sort", this.sort.descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    const ranked = rankAgencies(this.model, this.registry, this.sort, this.filter);
    for (const one of ranked) this.#row(one);
    setText(this.empty, ranked.length ? "" : say("agencies_none"));
    const inside = this.body.contains(document.activeElement);
    const first = !this.body.children.length; // whoever has just come does not wait for the next order
    if (now || first || (!inside && Date.now() - this.orderedMs > ORDER_EVERY_MS)) {
      this.orderedMs = Date.now();
      const wanted = ranked.map(({ index }) => this.rows.get(index).element);
      const same = wanted.length === this.body.children.length && wanted.every((row, i) => row === this.body.children[i]);
      if (!same) this.body.replaceChildren(...wanted);
    }
  }

  #row({ index, row, agency }) {
    let made = this.rows.get(index);
    if (!made) {
      const name = el("span", { className: "agency-name" });
      const code = el("span", { className: "code" });
      const remark = el("small", { className: "remark" });
      const cells = new Map(COLUMNS.map((column) => [column, el("td", { className: "number" })]));
      const waiting = el("button", { type: "button", className: "small", onclick: () => this.openList({ recipient: agency.code }) });
      cells.get("waiting").append(waiting);
      const element = el("tr", {}, el("th", { scope: "row" }, code, name, remark), ...cells.values());
      made = { element, name, code, remark, cells, waiting };
      this.rows.set(index, made);
    }
    const language = currentLanguage();
    setText(made.code, agency.code || "…");
    const unsure = ["placeholder", "assumption"].includes(agency.certainty);
    setText(made.remark, unsure ? ` (${say(`code_${agency.certainty}`)})` : "");
    setText(made.name, agency.known ? agency[language] : say(agency.code ? "stranger" : "other_strangers"));
    made.element.classList.toggle("row-stranger", !agency.known);
    for (const [column, cell] of made.cells) {
      const value = row[AGENCY[column]];
      if (column === "waiting") {
        setText(made.waiting, count(value, language));
        made.waiting.setAttribute("aria-label", `${say("open_title")}: ${agency.code}, ${count(value, language)}`);
        made.waiting.disabled = !value || !agency.code;
      } else setText(cell, this.#written(column, value, language));
    }
    made.element.classList.toggle("row-attention", this.#age(row[AGENCY.oldest_us]) > this.model.late_after_s * 1e6);
  }

  #age(instantUs) {
    return instantUs ? this.model.now_us - instantUs : 0;
  }

  #written(column, value, language) {
    if (column === "p99_us") return value ? duration(value, language) : "–";
    if (column === "oldest_us") return value ? duration(this.#age(value), language) : "–";
    if (column === "seen_us") {
      if (!value) return say("never");
      const age = this.#age(value);
      return age < 5e6 ? say("now") : say("ago", { time: duration(age, language) });
    }
    return count(value, language);
  }
}
