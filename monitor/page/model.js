// The page's model: what the server told, and what follows from it. Pure: no DOM, no network, no clock.

/** Points kept, whatever comes: ten minutes by the second. */
export const POINTS_MAX = 600;

/** Columns of an agency's row, in the order of the server. */
export const AGENCY = { sent: 0, received: 1, waiting: 2, inbox: 3, p99_us: 4, oldest_us: 5, seen_us: 6, refused: 7 };

const EMPTY = {
  run: "",
  runs: [],
  health: { level: "none", says: [{ key: "no_run" }] },
  totals: null,
  stages: {},
  agencies: {},
  strangers: [],
  refused: { codes: {}, rows: [] },
  arrivals: null,
  workload: null,
  objectives: [],
  workers: [0, 0],
  pairs: {},
  points: [],
  columns: [],
};

/** A model from the whole picture. */
export function begin(state) {
  return { ...EMPTY, ...state, points: (state.points ?? []).slice(-POINTS_MAX) };
}

/** The model after a tick: parts that came replace theirs, rows of agencies one by one, the point is appended. */
export function applyTick(model, tick) {
  const { point, agencies, ...parts } = tick;
  const next = { ...model, ...parts };
  if (agencies) next.agencies = { ...model.agencies, ...agencies };
  if (point) next.points = [...model.points.slice(-(POINTS_MAX - 1)), point];
  return next;
}

/** The registry as the page uses it, from the rows of /api/registry. */
export function readRegistry(rows) {
  return rows.map(([code, certainty, vi, en, kind]) => ({ code, certainty, vi, en, kind }));
}

/** An agency by the number of its row: of the registry, a stranger, or all others. */
export function agencyAt(index, registry, strangers) {
  if (index < registry.length) return { ...registry[index], known: true };
  const code = strangers[index - registry.length];
  return { code: code ?? "", certainty: "", vi: "", en: "", kind: "unknown", known: false };
}

/** The newest value of a column of the points; null before the first. */
export function newest(model, column) {
  const at = model.columns.indexOf(column);
  const last = model.points[model.points.length - 1];
  return at < 0 || !last ? null : last[at + 1];
}

/** [time in ms, value] of one column, as a chart takes it. */
export function seriesOf(points, columns, column) {
  const at = columns.indexOf(column) + 1;
  return at ? points.map((point) => [point[0] * 1000, point[at]]) : [];
}

/** Whether the ledger's parts add up to what is expected. */
export function balances(totals) {
  const parts = totals.delivered_once + totals.duplicated + totals.refused + totals.outstanding;
  return parts === totals.deliveries_expected;
}

function plain(text) {
  return text.normalize("NFD").replace(/\p{Diacritic}/gu, "").replace(/đ/gi, "d").toLowerCase();
}

/** The agencies that match a filter (diacritics may be left out), sorted; each with its row and number. */
export function rankAgencies(model, registry, sort, filter) {
  const wanted = plain(filter.trim());
  const rows = Object.entries(model.agencies).map(([index, row]) => ({
    index: Number(index),
    row,
    agency: agencyAt(Number(index), registry, model.strangers),
  }));
  const found = rows.filter(({ agency }) =>
    plain(`${agency.code} ${agency.vi} ${agency.en}`).includes(wanted),
  );
  const column = AGENCY[sort.by];
  const sign = sort.descending ? -1 : 1;
  // An age grows as its instant shrinks; "never" and "nothing waits" come last either way.
  const value = (one) => (sort.by === "oldest_us" && one.row[column] ? -one.row[column] : one.row[column]);
  const byName = (a, b) => a.agency.code.localeCompare(b.agency.code);
  if (column === undefined) return found.sort((a, b) => sign * byName(a, b));
  const empty = (one) => (one.row[column] ? 0 : 1);
  return found.sort((a, b) => empty(a) - empty(b) || sign * (value(a) - value(b)) || byName(a, b));
}

/** Cells of the heat map: [recipient, sender, log of the count, count], and the greatest count. */
export function heatCells(pairs, mode) {
  const [senders, recipients, counts] = pairs[mode] ?? [[], [], []];
  const cells = senders.map((sender, i) => [recipients[i], sender, Math.log10(1 + counts[i]), counts[i]]);
  return { cells, max: counts.reduce((a, b) => Math.max(a, b), 0) };
}

/** The largest pairs, greatest first. */
export function topPairs(pairs, mode, limit) {
  const { cells } = heatCells(pairs, mode);
  return cells
    .sort((a, b) => b[3] - a[3] || a[1] - b[1] || a[0] - b[0])
    .slice(0, limit)
    .map(([recipient, sender, , count]) => ({ sender, recipient, count }));
}

/** Parts of a delivery's time, in the order in which they pass; what has not happened is left out. */
export function legs(packet, delivery) {
  const stops = [
    ["send_delay", packet.intended_us, packet.sent_us],
    ["acceptance", packet.sent_us, delivery.accepted_us],
    ["to_inbox", delivery.accepted_us, delivery.available_us],
    ["pickup", delivery.available_us, delivery.received_us],
  ];
  return stops.filter(([, from, to]) => from && to && to >= from).map(([name, from, to]) => ({ name, us: to - from }));
}
