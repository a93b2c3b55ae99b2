// Times in the reader's own zone, with UTC for who points at them.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "2-digit" });

/** The reader's zone by name and offset, like "Europe/Paris, GMT+1". */
export function zoneName(now = new Date()) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "shortOffset" }).formatToParts(now);
  const offset = parts.find((part) => part.type === "timeZoneName")?.value ?? "";
  return timeZone && timeZone !== "UTC" ? `${timeZone}, ${offset}` : "UTC";
}

/** Fill a <time> element from milliseconds since 1970 UTC. */
export function showTime(element, ms) {
  const date = new Date(ms);
  const utc = date.toISOString();
  element.dateTime = utc;
  element.textContent = clock.format(date);
  element.title = `${utc.slice(0, 10)} ${utc.slice(11, 23)} UTC`;
}

export function clockText(ms) {
  return clock.format(new Date(ms));
}

export function dayText(ms) {
  return day.format(new Date(ms));
}
