// The map of pairs: rows send, columns receive. Colours grow with the logarithm of the count.

import { colours } from "./charts.js";
import { $, el, fill, segments, setText } from "./dom.js";
import { count } from "./format.js";
import { agencyAt, heatCells, topPairs } from "./model.js";
import { currentLanguage, say, shownCode } from "./words.js";

const LISTED = 5;

export class HeatMap {
  /** `choose` is told of a pair: { sender, recipient } as codes. */
  constructor(choose) {
    this.choose = choose;
    this.mode = "received";
    this.drawnPairs = null;
    this.pills = new Map();
  }

  #chart() {
    if (!this.chart) {
      this.chart = window.echarts.init($("heat"), null, { renderer: "canvas" });
      new ResizeObserver(() => this.chart.resize()).observe($("heat"));
      this.chart.on("click", (cell) => this.choose(this.#pair(cell.value[1], cell.value[0])));
    }
    return this.chart;
  }

  #pair(sender, recipient) {
    const code = (index) => (this.#at(index).beyond ? "" : this.#at(index).code);
    return { sender: code(sender), recipient: code(recipient) };
  }

  #at(index) {
    if (index >= this.side - 1 && !this.registry[index]) return { code: say("others"), certainty: "", vi: "", en: "", beyond: true };
    return agencyAt(index, this.registry, []);
  }

  /** Draw the map if the pairs changed, or `again` for a new theme, language or mode. */
  draw(model, registry, again = false) {
    if (!window.echarts || document.hidden || (!again && model.pairs === this.drawnPairs)) return;
    this.drawnPairs = model.pairs;
    this.model = model;
    this.registry = registry;
    const { cells, max } = heatCells(model.pairs, this.mode);
    const beyond = cells.some(([recipient, sender]) => recipient >= registry.length || sender >= registry.length);
    this.side = Math.min(registry.length, 127) + (beyond ? 1 : 0);
    const placed = cells.map(([x, y, log, n]) => [Math.min(x, this.side - 1), Math.min(y, this.side - 1), log, n]);
    segments($("heat-modes"), [["received", say("heat_received")], ["waiting", say("heat_waiting")]], this.mode, (mode) => {
      this.mode = mode;
      this.draw(this.model, this.registry, true);
    });
    $("heat").setAttribute("aria-label", say("heat_label", { agencies: this.side }));
    this.#chart().setOption(this.#option(placed, max), { notMerge: true });
    this.#list();
  }

  #option(cells, max) {
    const c = colours();
    const language = currentLanguage();
    const names = Array.from({ length: this.side }, (_, index) => this.#at(index).code);
    const every = $("heat").clientWidth < 500 ? 16 : 8;
    const axis = {
      type: "category",
      data: names,
      axisTick: { show: false },
      axisLine: { show: false },
      axisLabel: { color: c.soft, fontSize: 9, interval: (i) => i % every === 0 },
      splitArea: { show: false },
    };
    return {
      animation: false,
      grid: { left: 6, right: 6, top: 6, bottom: 44, containLabel: true },
      xAxis: { ...axis, position: "top" },
      yAxis: { ...axis, inverse: true },
      visualMap: {
        type: "continuous",
        min: 0,
        max: Math.max(Math.log10(1 + max), 0.3),
        dimension: 2,
        orient: "horizontal",
        left: "center",
        bottom: 2,
        itemHeight: 160,
        itemWidth: 10,
        text: [count(max, language), "0"],
        textStyle: { color: c.soft, fontSize: 11 },
        inRange: { color: c.heat },
      },
      tooltip: {
        renderMode: "richText",
        confine: true,
        backgroundColor: c.card,
        borderColor: c.line,
        textStyle: { color: c.text, fontSize: 12 },
        formatter: ({ value }) => {
          const [sender, recipient] = [this.#at(value[1]), this.#at(value[0])];
          const name = (one) => [shownCode(one), one[language]].filter(Boolean).join(" ");
          return say("heat_tip", { sender: name(sender), recipient: `\n${name(recipient)}`, count: count(value[3], language) });
        },
      },
      series: [{ type: "heatmap", data: cells, progressive: 0, emphasis: { itemStyle: { borderColor: c.text, borderWidth: 1 } } }],
    };
  }

  /** The largest pairs as buttons: the map for whoever has no pointer or does not see it. */
  #list() {
    const language = currentLanguage();
    const pairs = topPairs(this.model.pairs, this.mode, LISTED);
    if (!this.listed) {
      this.listed = { hint: el("p", { className: "hint" }), heading: el("h3"), none: el("p", { className: "empty" }), list: el("ul", { className: "pills" }) };
      $("heat-top").replaceChildren(...Object.values(this.listed));
    }
    const before = this.pills; // a pair's button stays as long as the pair is listed: it may have the focus
    this.pills = new Map();
    for (const { sender, recipient, count: n } of pairs) {
      const key = `${sender} ${recipient}`;
      const pill = before.get(key) ?? this.#pill(sender, recipient);
      this.pills.set(key, pill);
      pill.button.title = `${this.#at(sender)[language]} → ${this.#at(recipient)[language]}`;
      setText(pill.text, `${this.#at(sender).code} → ${this.#at(recipient).code}`);
      setText(pill.count, count(n, language));
    }
    const { hint, heading, none, list } = this.listed;
    setText(hint, say("heat_hint"));
    setText(heading, say(this.mode === "waiting" ? "heat_top_waiting" : "heat_top"));
    setText(none, say("heat_none"));
    [heading.hidden, none.hidden] = [!pairs.length, pairs.length > 0];
    fill(list, [...this.pills.values()].map(({ element }) => element));
  }

  #pill(sender, recipient) {
    const [text, number] = [el("span"), el("b")];
    const open = () => this.choose(this.#pair(sender, recipient));
    const button = el("button", { type: "button", className: "pill", onclick: open }, text, number);
    return { element: el("li", {}, button), button, text, count: number };
  }
}
