/* Draws the report's charts from the data in the page. Each chart is described by an option of Apache ECharts; colours
   come from the page's style, so that light, dark and paper each have their own. */
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const locale = data.language === "vi" ? "vi-VN" : "en-GB";
  const word = (text) => data.words[text] ?? text.replaceAll("_", " ");
  const figures = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
  const whole = new Intl.NumberFormat(locale);
  const charts = [];
  /* From few to many on dark paper, the other way round on light: what is empty is the paper. */
  const CIVIDIS = ["#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];

  const duration = (seconds) => {
    if (seconds === null || seconds === undefined) return "–";
    if (seconds === 0) return "0 s";
    const [factor, unit] = Math.abs(seconds) < 0.001 ? [1e6, "µs"] : Math.abs(seconds) < 1 ? [1e3, "ms"] : [1, "s"];
    return `${figures.format(seconds * factor)} ${unit}`;
  };
  const style = () => {
    const found = getComputedStyle(document.documentElement);
    return Object.fromEntries(
      ["ink", "soft", "line", "card", "shade", "good", "bad", "c1", "c2", "c3", "c4", "c5", "c6", "scheme"]
        .map((name) => [name, found.getPropertyValue(`--${name}`).trim()]),
    );
  };
  const escaped = (text) => echarts.format.encodeHTML(String(text));
  const axis = (look, more) => ({
    axisLine: { lineStyle: { color: look.line } },
    axisTick: { show: false },
    axisLabel: { color: look.soft, hideOverlap: true },
    splitLine: { lineStyle: { color: look.line, type: [2, 4] } },
    nameTextStyle: { color: look.soft },
    ...more,
  });
  const basis = (look) => ({
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: look.ink },
    tooltip: {
      trigger: "axis", confine: true, backgroundColor: look.card, borderColor: look.line,
      textStyle: { color: look.ink, fontSize: 13 }, axisPointer: { lineStyle: { color: look.soft } },
    },
    legend: {
      top: 0, left: 0, itemGap: 18, itemWidth: 26, itemStyle: { opacity: 0 },
      textStyle: { color: look.ink }, inactiveColor: look.line,
    },
    grid: { left: 8, right: 24, top: 54, bottom: 30, containLabel: true },
  });

  /* ---- lines over seconds, with the phases named and what was injected shaded */
  const overTime = (lines, format, more = {}) => (look) => {
    const { second, columns, phases, faults } = data.series;
    const present = lines.filter(([column]) => columns[column]);
    const named = phases.length > 1 ? phases.map((phase) => [
      { name: word(phase.name), xAxis: phase.from, itemStyle: { color: phase.measured ? "transparent" : look.shade } },
      { xAxis: phase.until },
    ]) : [];
    const injected = faults.map((fault) => [
      {
        name: word(fault.kind), xAxis: fault.from, label: { position: "insideBottom", color: look.bad },
        // What lasts for most of the run is a condition of it: shaded so lightly that it hides nothing.
        itemStyle: { color: look.bad, opacity: fault.until - fault.from > second.length * data.series.per_point * 0.4 ? 0.05 : 0.18 },
      },
      { xAxis: Math.max(fault.until, fault.from + data.series.per_point * 0.5) },
    ]);
    return {
      ...basis(look),
      tooltip: { ...basis(look).tooltip, valueFormatter: format },
      xAxis: axis(look, {
        type: "value", min: 0, max: "dataMax", name: word("seconds since the start"), nameLocation: "middle", nameGap: 28,
        splitLine: { show: false }, axisLabel: { color: look.soft, formatter: (value) => whole.format(value) },
      }),
      yAxis: axis(look, { type: "value", min: 0, axisLabel: { color: look.soft, formatter: format }, ...more }),
      series: present.map(([column, name, colour, type], index) => ({
        name: word(name), type: "line", symbol: "none", connectNulls: false, color: look[colour],
        lineStyle: type === "area" ? { width: 1 } : { width: 2, type: type ?? "solid" },
        areaStyle: type === "area" ? { opacity: 0.25 } : undefined,
        data: second.map((at, i) => [at, columns[column][i]]),
        markArea: index === 0 ? {
          silent: true, label: { color: look.soft, position: "top", fontSize: 12 }, data: [...named, ...injected],
        } : undefined,
      })),
    };
  };

  /* ---- the value that one in 10^k exceeds */
  const percentiles = (look) => {
    const order = [
      ["delivery", "c1", "solid", 3], ["delivery_uncorrected", "c1", "dashed", 2], ["routing", "c2", "solid", 2],
      ["send_delay", "c3", "solid", 2], ["pickup", "c4", "solid", 2], ["publish", "c5", "solid", 2],
    ];
    const present = order.filter(([stage]) => data.percentiles[stage]);
    const name = (k) => (k < 0.31 ? figures.format(100 * (1 - 10 ** -k)) : percent(k));
    const percent = (k) => new Intl.NumberFormat(locale, { maximumFractionDigits: Math.max(0, Math.ceil(k) - 2) })
      .format(100 * (1 - 10 ** -k));
    const longest = Math.max(1, ...present.flatMap(([stage]) => data.percentiles[stage].map((point) => point[0])));
    return {
      ...basis(look),
      tooltip: {
        ...basis(look).tooltip,
        formatter: (items) => [
          `<b>${name(items[0].value[0])} %</b>`,
          ...items.map((item) => `${item.marker}${escaped(item.seriesName)}&ensp;<b>${duration(item.value[1])}</b>`),
        ].join("<br>"),
      },
      xAxis: axis(look, {
        type: "value", min: 0, max: Math.ceil(longest * 10) / 10, interval: 1, name: word("percentile"), nameLocation: "middle",
        nameGap: 28,
        axisLabel: { color: look.soft, formatter: (k) => (Number.isInteger(k) ? (k === 0 ? "0" : percent(k)) : "") },
      }),
      yAxis: axis(look, { type: "log", axisLabel: { color: look.soft, formatter: duration }, minorSplitLine: { show: false } }),
      series: present.map(([stage, colour, type, width]) => ({
        name: word(stage), type: "line", symbol: data.percentiles[stage].length < 6 ? "circle" : "none", symbolSize: 7,
        color: look[colour], lineStyle: { width, type },
        data: data.percentiles[stage].map(([k, seconds]) => [k, seconds > 0 ? seconds : null]),
      })),
    };
  };

  const agencies = (look) => {
    const rows = [...data.agencies].reverse();
    const narrow = document.body.clientWidth < 640;
    return {
      ...basis(look),
      grid: { left: 8, right: 64, top: 40, bottom: 8, containLabel: true },
      tooltip: { ...basis(look).tooltip, axisPointer: { type: "shadow" }, valueFormatter: duration },
      xAxis: axis(look, { type: "value", axisLabel: { color: look.soft, formatter: duration, hideOverlap: true } }),
      yAxis: axis(look, {
        type: "category", data: rows.map((row) => row.name),
        axisLabel: { color: look.ink, width: narrow ? 130 : 300, overflow: "truncate" },
      }),
      series: [
        {
          name: word("p99"), type: "bar", color: look.c1, barWidth: "62%", data: rows.map((row) => row.p99),
          label: { show: true, position: "right", color: look.soft, formatter: (bar) => duration(bar.value) },
        },
        {
          name: word("median"), type: "scatter", symbol: "rect", symbolSize: [4, 15], color: look.c2, itemStyle: { opacity: 1 },
          data: rows.map((row) => row.p50),
        },
      ],
      legend: { ...basis(look).legend, icon: "roundRect", itemWidth: 12, itemHeight: 12, itemStyle: {} },
    };
  };

  const traffic = (look) => {
    const { codes, names, cells, max } = data.traffic;
    const label = { color: look.soft, fontSize: 9, interval: codes.length > 40 ? 4 : 0 };
    return {
      ...basis(look),
      grid: { left: 28, right: 8, top: 8, bottom: 64, containLabel: true },
      tooltip: {
        ...basis(look).tooltip, trigger: "item",
        formatter: ({ value: [recipient, sender, , count] }) =>
          `${escaped(names[sender])}<br>→ ${escaped(names[recipient])}<br><b>${whole.format(count)}</b> ${word("deliveries")}`,
      },
      xAxis: axis(look, {
        type: "category", data: codes, axisLabel: { ...label, rotate: 90 }, name: word("recipient"), nameLocation: "middle",
        nameGap: 34,
      }),
      yAxis: axis(look, { type: "category", data: codes, inverse: true, axisLabel: label, name: word("sender"), nameLocation: "middle", nameGap: 34 }),
      visualMap: {
        min: 0, max: Math.log10(max + 1) || 1, dimension: 2, calculable: false, orient: "horizontal", right: 8, bottom: 0,
        itemWidth: 12, itemHeight: 160, text: [whole.format(max), "1"], textStyle: { color: look.soft },
        inRange: { color: look.scheme.includes("dark") ? CIVIDIS : [...CIVIDIS].reverse() },
      },
      legend: undefined,
      series: [{
        type: "heatmap", progressive: 0, emphasis: { itemStyle: { borderColor: look.ink, borderWidth: 1 } },
        data: cells.map(([recipient, sender, count]) => [recipient, sender, Math.log10(count + 1), count]),
      }],
    };
  };

  const rate = (value) => (value === null || value === undefined ? "–" : whole.format(Math.round(value)));
  const byDeliveries = data.series && data.series.columns.offered_deliveries;
  const options = {
    "chart-throughput": overTime([
      [byDeliveries ? "offered_deliveries" : "offered", "offered", "c6", "area"],
      [byDeliveries ? "sent_deliveries" : "sent", "sent", "c1", "dashed"],
      ["received", "received", "c3", "solid"], ["refused", "refused", "c2", "solid"],
    ], rate),
    "chart-outstanding": overTime([["outstanding", "outstanding", "c1"], ["in_flight", "in flight", "c4", "dashed"]], rate),
    "chart-latency": overTime([
      ["delivery_max_s", "maximum", "c6"], ["delivery_p99_s", "p99", "c1"], ["delivery_p50_s", "median", "c3"],
      ["uncorrected_p99_s", "p99, uncorrected", "c2", "dashed"],
    ], duration),
    "chart-stages": overTime([
      ["routing_p99_s", "routing", "c2"], ["pickup_p99_s", "pickup", "c4"], ["send_delay_p99_s", "send_delay", "c3"],
      ["publish_p99_s", "publish", "c5", "dashed"],
    ], duration),
    "chart-percentiles": percentiles,
    "chart-agencies": agencies,
    "chart-traffic": traffic,
  };

  const draw = () => charts.forEach(({ chart, option }) => chart.setOption(option(style()), true));
  for (const [id, option] of Object.entries(options)) {
    const place = document.getElementById(id);
    if (!place) continue;
    // Thousands of cells are one canvas; lines are vectors, which print sharply.
    const renderer = id === "chart-traffic" ? "canvas" : "svg";
    charts.push({ chart: echarts.init(place, null, { renderer, devicePixelRatio: renderer === "canvas" ? 2 : undefined }), option });
  }
  draw();
  const fit = () => charts.forEach(({ chart }) => chart.resize());
  addEventListener("resize", fit);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  matchMedia("print").addEventListener("change", () => { fit(); draw(); });
  addEventListener("beforeprint", () => { document.querySelectorAll("details").forEach((one) => { one.open = true; }); });
  document.documentElement.dataset.drawn = String(charts.length);
})();
