// How figures are written. Pure; the language is a parameter.

const locale = (language) => (language === "vi" ? "vi-VN" : "en-GB");

const formats = new Map();

function numberFormat(language, digits) {
  const key = `${language}/${digits}`;
  if (!formats.has(key)) {
    formats.set(key, new Intl.NumberFormat(locale(language), { maximumFractionDigits: digits }));
  }
  return formats.get(key);
}

export function count(value, language) {
  return numberFormat(language, 0).format(value);
}

/** A rate: one digit after the point while it is small. */
export function rate(value, language) {
  return numberFormat(language, value < 10 ? 1 : 0).format(value);
}

/** A ratio as a percentage with as many digits as a target of nines needs. */
export function percent(value, language) {
  return value === null || value === undefined ? "–" : `${numberFormat(language, 3).format(value * 100)} %`;
}

/** A duration in the unit that reads best: 0.8 ms, 12 ms, 1.4 s, 3 min 20 s, 2 h 5 min. */
export function duration(microseconds, language) {
  if (!(microseconds > 0)) return "0 ms";
  const ms = microseconds / 1000;
  if (ms < 999.5) return `${numberFormat(language, ms < 10 ? 1 : 0).format(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 119.5) return `${numberFormat(language, seconds < 10 ? 1 : 0).format(seconds)} s`;
  const words = language === "vi" ? ["phút", "giờ", "ngày"] : ["min", "h", "d"];
  const whole = Math.round(seconds);
  if (whole < 7200) return join(Math.floor(whole / 60), words[0], whole % 60, "s");
  if (whole < 172800) return join(Math.floor(whole / 3600), words[1], Math.floor((whole % 3600) / 60), words[0]);
  return join(Math.floor(whole / 86400), words[2], Math.floor((whole % 86400) / 3600), words[1]);
}

function join(large, largeUnit, small, smallUnit) {
  return small ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`;
}

const VIETNAM = { timeZone: "Asia/Ho_Chi_Minh" };
const clock = new Intl.DateTimeFormat("en-GB", { ...VIETNAM, hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { ...VIETNAM, day: "2-digit", month: "2-digit", year: "numeric" });

/** A time of day in Vietnam, to the second. */
export function timeOfDay(instantUs) {
  return clock.format(instantUs / 1000);
}

/** Date and time in Vietnam, to the millisecond. */
export function fullTime(instantUs) {
  const milliseconds = String(Math.floor(instantUs / 1000) % 1000).padStart(3, "0");
  return `${day.format(instantUs / 1000)} ${clock.format(instantUs / 1000)}.${milliseconds}`;
}
