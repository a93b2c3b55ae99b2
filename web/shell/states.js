// The states of a page that is not simply full: loading, empty, failed, working.

import { make } from "./make.js";

export function loading(text = "Loading") {
  return make("div", { class: "state-box loading", role: "status" }, make("span", { class: "spinner", aria: { hidden: "true" } }), `${text} …`);
}

/** Nothing is there, why, and what to do about it (`action`: an element). */
export function empty(title, text, action) {
  return make("div", { class: "state-box" }, make("h3", {}, title), text && make("p", { class: "quiet" }, text), action);
}

/** `problem` is what was thrown; `again`, if given, is called by the button. */
export function failed(problem, again) {
  const button = again && make("button", { type: "button", on: { click: again } }, "Try again");
  return make("div", { class: "state-box bad", role: "alert" }, make("h3", {}, "This did not work"), make("p", {}, problem.message), button);
}

/** A sentence that stands out; `kind` is "note", "good", "warn" or "bad". */
export function notice(kind, ...children) {
  return make("div", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : undefined }, ...children);
}

/** What `load` answers, shown by `show` (an element or several) in `place`; loading and failing are shown too. */
export async function fill(place, load, show) {
  place.setAttribute("aria-busy", "true");
  if (!place.hasChildNodes()) place.replaceChildren(loading());
  try {
    const shown = await show(await load());
    place.replaceChildren(...[shown].flat().filter(Boolean));
  } catch (problem) {
    if (!(problem instanceof Error && "reason" in problem)) console.error(problem);
    place.replaceChildren(failed(problem, () => {
      place.replaceChildren();
      fill(place, load, show);
    }));
  }
  place.setAttribute("aria-busy", "false");
}

/** How far something is: `done` of `of` steps, and what happens now. */
export function progress(label, done, of, text) {
  return make(
    "div", { class: "progress" },
    make("div", { class: "row" }, make("span", {}, label), make("span", { class: "quiet" }, of ? `${done} of ${of}` : "")),
    make("progress", { max: of || 1, ...(of ? { value: done } : {}), aria: { label } }),
    text && make("p", { class: "quiet" }, text),
  );
}

/** Asks `load` until `isDone` of its answer, calling `show` with each; resolves with the last. A failure is asked again. */
export async function follow(load, isDone, show = () => {}, everyMs = 1_000) {
  for (;;) {
    const answer = await load().catch((problem) => {
      if (problem.status && problem.status < 500 && problem.status !== 429) throw problem;
      return null;
    });
    if (answer) show(answer);
    if (answer && isDone(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

const KINDS = {
  good: ["FINAL", "OPEN", "TOKENIZED", "APPROVED", "DONE", "PAID", "FILLED", "VERIFIED", "GREEN", "RECEIVED", "CLAIMED", "RELEASED"],
  bad: ["FAILED", "REJECTED", "EXPIRED", "CANCELLED", "FINAL_REJECTED", "OWED"],
  busy: ["MATCHED", "SUBMITTED", "MINED", "QUEUED", "RUNNING", "PROPOSED", "PENDING", "PENDING_APPROVAL", "WAITING", "RELAYED", "OPENING",
    "CLOSING", "PREPARING", "PREPARED", "DECLARED", "LIQUIDATING", "PROCESSING", "PARTIALLY_FILLED", "MISSING", "NEW", "PENDING_NEW"],
};

/** A state's word as a small label, its colour by what it means. */
export function badge(state, text = words(state)) {
  const kind = Object.keys(KINDS).find((each) => KINDS[each].includes(state)) ?? "plain";
  return make("span", { class: `badge ${kind}` }, text);
}

/** "PENDING_APPROVAL" is "Pending approval"; KYC and USDC stay what they are. */
export function words(state) {
  const text = state.replaceAll("_", " ").toLowerCase().replace(/\b(kyc|usdc)\b/g, (name) => name.toUpperCase());
  return text.charAt(0).toUpperCase() + text.slice(1);
}
