// Times in the reader's own zone, with UTC for who points at them.

import { make } from "./make.js";

const FORMATS = {
  clock: new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }),
  day: new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "2-digit" }),
  moment: new Intl.DateTimeFormat(undefined, {
    year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit", hour12: false,
  }),
};

/** The reader's zone by name and offset, like "Europe/Paris, GMT+1". */
export function zoneName(now = new Date()) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "shortOffset" }).formatToParts(now);
  const offset = parts.find((part) => part.type === "timeZoneName")?.value ?? "";
  return timeZone && timeZone !== "UTC" ? `${timeZone}, ${offset}` : "UTC";
}

/** Fill a <time> element; `when` is RFC 3339 text, a Date, or milliseconds since 1970 UTC; `as` is clock, day or moment. */
export function showTime(element, when, as = "clock") {
  const date = new Date(when);
  const utc = date.toISOString();
  element.dateTime = utc;
  element.textContent = FORMATS[as].format(date);
  element.title = `${utc.slice(0, 10)} ${utc.slice(11, 23)} UTC`;
}

/** A <time> element, or "–" for null. */
export function time(when, as = "moment") {
  if (when === null || when === undefined) return "–";
  const element = make("time");
  showTime(element, when, as);
  return element;
}

export function timeText(when, as = "moment") {
  return FORMATS[as].format(new Date(when));
}

/** A calendar day ("2026-11-24", a lease's or a rent's) belongs to no zone: shown as it is. */
export function calendarDay(text) {
  return text ? new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" }).format(new Date(`${text}T00:00:00Z`)) : "–";
}
