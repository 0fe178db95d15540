// A monitor that never ends, inside the page: it stands where the browser's stream of events is, and each tick it tells
// is the next second. Every part of the picture is full, and is another one with each tick. `passTicks` lets time pass,
// `holdOn` makes the page one that forgets no tick.

(() => {
  // Drawing the map of all pairs takes as long as several ticks, so it is told more seldom than every five seconds; one
  // that was held on to would be found all the sooner.
  const [AGENCIES, POINT_COLUMNS, POINTS, PAIRS_EVERY, TURN_EVERY] = [95, 8, 600, 60, 10];
  const BEGAN_MS = Date.UTC(2026, 0, 5, 8);
  const PARTS = ["deliveries_expected", "delivered_once", "duplicated", "refused", "outstanding", "open_late", "sent"];
  const STAGES = ["send_delay", "acceptance", "routing", "pickup", "delivery", "delivery_uncorrected"];
  const range = (length, make) => Array.from({ length }, (_, number) => make(number));
  let [second, source, frames, asking] = [0, null, [], null];

  // The page's clock is the stream's, so that what it does every few seconds it does every few ticks.
  Date.now = () => BEGAN_MS + second * 1000;
  const nowUs = () => Date.now() * 1000;

  // Each tick is drawn once, as on a screen that is looked at: whoever waits for a frame gets it after the tick.
  window.requestAnimationFrame = (draw) => frames.push(draw);

  const asked = window.fetch.bind(window);
  window.fetch = (...what) => (asking = asked(...what));

  window.EventSource = class {
    readyState = 1;
    told = {};

    constructor() {
      source = this;
      setTimeout(() => this.tell("state", { ...picture(), pairs: pairs(), columns: COLUMNS, late_after_s: 60, points: points() }));
    }

    addEventListener(event, heard) {
      this.told[event] = heard;
    }

    close() {}

    tell(event, data) {
      this.told[event]({ data: JSON.stringify(data) });
    }
  };

  const COLUMNS = ["documents_per_s", "deliveries_per_s", "receipts_per_s", "p50_us", "p99_us", "at_hub", "in_inboxes", "refused_per_s"];

  function picture() {
    const n = second;
    return {
      now_us: nowUs(),
      run: "endless",
      runs: [["endless", true], ["before", n % 2 === 0]],
      health: { level: "bad", says: [{ key: "stalled", seconds: n, waiting: n + 1, where: n % 2 ? "hub" : "inbox" }] },
      totals: Object.fromEntries(PARTS.map((name, i) => [name, n * (i + 3)])),
      stages: Object.fromEntries(STAGES.map((name, i) => [name, [n + i, 1000 + n, 9000 + n * i]])),
      agencies: Object.fromEntries(range(AGENCIES, (i) => [i, [n + i, n * 2 + i, 1 + (n % 90), n % 80, 2000 + n, nowUs() - i * 1e6, nowUs() - i * 5e5, n % 7]])),
      strangers: [],
      refused: { codes: { 19: n, 20: n + 1 }, rows: range(50, (i) => [nowUs() - i * 1e6, 19, `reason ${n - i}`, `G01.2021.${n - i}`, "G01", "H53", "axis/0/1"]) },
      arrivals: { scheduled: n, acked: n, in_flight: n % 5, dropped: 0, failed: n % 3, unknown: 0 },
      workload: { name: "endless", phases: [{ name: "load", state: "running", seconds: 60 + n }], objectives: [
        { name: "fast", text_en: "p99 at most 1 s", text_vi: "p99", scope_en: "all", scope_vi: "tất cả", unit: "s", limit: 1, value: n / 1000, state: n % 2 ? "holds" : "missed" },
      ] },
      objectives: [{ title_en: "in time", title_vi: "đúng hạn", target: 0.999, achieved: 1 - 1 / (n + 2), budget_left: 0.5, state: "good", period_days: 28, bad: n, total: 9 * n + 9 }],
      workers: [2, 1 + (n % 2)],
    };
  }

  function pairs() {
    const senders = range(AGENCIES * AGENCIES, (i) => Math.floor(i / AGENCIES));
    const recipients = range(AGENCIES * AGENCIES, (i) => i % AGENCIES);
    const counts = (factor) => range(AGENCIES * AGENCIES, (i) => 1 + ((i * factor + second) % 997));
    return { received: [senders, recipients, counts(7)], waiting: [senders, recipients, counts(3)] };
  }

  const point = (at) => [BEGAN_MS / 1000 + at, ...range(POINT_COLUMNS, (i) => 100.5 + (((POINTS + at) * (i + 7)) % 89))];
  const points = () => range(POINTS, (number) => point(number + 1 - POINTS));

  function tick() {
    return { ...picture(), point: point(second), ...(second % PAIRS_EVERY ? {} : { pairs: pairs() }) };
  }

  window.holdOn = () => {
    const [parse, held] = [JSON.parse, []];
    JSON.parse = (text) => held[held.push(parse(text)) - 1];
  };

  const turn = new MessageChannel();

  window.passTicks = async (count) => {
    for (let passed = 0; passed < count; passed++) {
      second++;
      source.tell("tick", tick());
      const due = frames;
      frames = [];
      for (const draw of due) draw(second * 1000);
      if (second % TURN_EVERY) continue;
      // The browser's turn: answers come in, all is laid out and painted, and nothing of a tick is on the stack.
      await asking;
      await new Promise((done) => ((turn.port1.onmessage = done), turn.port2.postMessage(0)));
    }
  };
})();
