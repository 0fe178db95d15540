// Three charts over time, by ECharts. They are drawn anew once a second, and not at all while nobody looks.

import { count, duration, rate } from "./format.js";
import { seriesOf } from "./model.js";
import { currentLanguage, say } from "./words.js";

/** The colours of the theme in force. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: of("text"), soft: of("soft"), line: of("line"), card: of("card"),
    one: of("series-1"), two: of("series-2"), three: of("series-3"), four: of("series-4"),
    heat: [of("heat-0"), of("heat-1"), of("heat-2"), of("heat-3")],
  };
}

const FONT = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";

const CHARTS = {
  "chart-throughput": {
    lines: [["documents_per_s", "one"], ["deliveries_per_s", "two"], ["receipts_per_s", "three"]],
    write: (value, language) => rate(value, language),
    unit: "per_second",
  },
  "chart-latency": {
    lines: [["p99_us", "four"], ["p50_us", "one"]],
    write: duration,
    log: true,
  },
  "chart-waiting": {
    lines: [["at_hub", "four"], ["in_inboxes", "two"]],
    write: (value, language) => count(Math.round(value), language),
    stacked: true,
  },
};

const drawn = new Map();

function instance(id) {
  const element = document.getElementById(id);
  if (!drawn.has(id)) {
    const chart = window.echarts.init(element, null, { renderer: "canvas" });
    new ResizeObserver(() => chart.resize()).observe(element);
    drawn.set(id, chart);
  }
  return drawn.get(id);
}

function clockLabel(value) {
  const at = new Date(value + 7 * 3600 * 1000);
  return at.toISOString().slice(11, at.getUTCSeconds() ? 19 : 16);
}

function option(spec, c, points, columns, spanMs) {
  const language = currentLanguage();
  const write = (value) => spec.write(value, language);
  const newest = points.length ? points[points.length - 1][0] * 1000 : Date.now();
  // A young run fills the width with what there is of it.
  const shownMs = points.length ? Math.min(spanMs, Math.max(120_000, newest - points[0][0] * 1000)) : spanMs;
  const series = spec.lines.map(([name, colour]) => ({
    name: say(name),
    type: "line",
    showSymbol: false,
    sampling: "lttb",
    lineStyle: { width: spec.stacked ? 1 : 2, color: c[colour] },
    itemStyle: { color: c[colour] },
    areaStyle: spec.stacked ? { color: c[colour], opacity: 0.25 } : undefined,
    stack: spec.stacked ? "all" : undefined,
    data: seriesOf(points, columns, name).map(([at, value]) => [at, spec.log ? (value > 0 ? value : null) : value]),
  }));
  return {
    animation: false,
    textStyle: { fontFamily: FONT, color: c.text },
    grid: { left: 8, right: 14, top: 34, bottom: 6, containLabel: true },
    legend: { type: "scroll", top: 0, left: 0, icon: "roundRect", itemWidth: 14, itemHeight: 4, textStyle: { color: c.text, fontSize: 12 } },
    tooltip: {
      trigger: "axis",
      renderMode: "richText",
      confine: true,
      backgroundColor: c.card,
      borderColor: c.line,
      textStyle: { color: c.text, fontSize: 12 },
      axisPointer: { lineStyle: { color: c.soft } },
      formatter: (rows) =>
        [clockLabel(rows[0].value[0]), ...rows.filter((r) => r.value[1] !== null).map((r) => `${r.seriesName}: ${write(r.value[1])}`)].join("\n"),
    },
    xAxis: {
      type: "time",
      min: newest - shownMs,
      max: newest,
      axisLine: { lineStyle: { color: c.line } },
      axisTick: { show: false },
      splitLine: { show: false },
      splitNumber: 5,
      axisLabel: { color: c.soft, fontSize: 11, formatter: clockLabel, hideOverlap: true },
    },
    yAxis: {
      type: spec.log ? "log" : "value",
      min: spec.log ? undefined : 0,
      logBase: 10,
      splitNumber: 4,
      axisLabel: { color: c.soft, fontSize: 11, formatter: write, hideOverlap: true },
      splitLine: { lineStyle: { color: c.line } },
    },
    series,
  };
}

/** What a screen reader says of a chart: its newest values. */
function label(id, spec, points, columns) {
  const last = points[points.length - 1];
  const title = say({ "chart-throughput": "throughput", "chart-latency": "latency", "chart-waiting": "waiting_over_time" }[id]);
  if (!last) return `${title} ${say("no_points")}`;
  const values = spec.lines.map(([name]) => `${say(name)}: ${spec.write(last[columns.indexOf(name) + 1], currentLanguage())}`);
  return `${title} ${values.join(", ")}`;
}

/** Draw all charts of some points. */
export function drawCharts(points, columns, spanMs) {
  if (!window.echarts || document.hidden) return;
  const c = colours(); // once: to ask for a style makes the browser work it out
  for (const [id, spec] of Object.entries(CHARTS)) {
    instance(id).setOption(option(spec, c, points, columns, spanMs), { notMerge: true, lazyUpdate: true });
    document.getElementById(id).setAttribute("aria-label", label(id, spec, points, columns));
  }
}
