// Parts of a page that keep up with what they show.

import { failed, fill, notice } from "../shell/states.js";
import { timeText } from "../shell/times.js";

/**
 * Show what `load` answers in `place`, and again whenever it has changed: asked every `everyMs` while the page is seen,
 * and when a message comes. Whoever is typing or choosing in there is not disturbed. Answers a function that asks and draws at once.
 */
export function watch(place, load, show, everyMs = 4_000) {
  let known;
  let knownAt;
  let isAsking = false;
  const draw = (answer) => {
    known = JSON.stringify(answer);
    knownAt = new Date();
    return show(answer);
  };
  const look = async (isForced = false) => {
    if (isAsking || (document.hidden && !isForced)) return;
    isAsking = true;
    try {
      const answer = await load();
      knownAt = new Date();
      place.querySelector(":scope > .stale")?.remove();
      const isBusy = place.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
      if (isForced || (JSON.stringify(answer) !== known && !isBusy)) await fill(place, () => answer, draw);
    } catch (problem) {
      if (known === undefined) place.replaceChildren(failed(problem, () => look(true)));
      else sayStale(place, knownAt, problem);
    } finally {
      isAsking = false;
    }
  };
  const timer = setInterval(look, everyMs);
  addEventListener("deedbook-message", () => look());
  addEventListener("pagehide", () => clearInterval(timer));
  fill(place, load, draw);
  return () => look(true);
}

function sayStale(place, knownAt, problem) {
  if (place.querySelector(":scope > .stale")) return;
  const note = notice("warn", `This is as of ${timeText(knownAt, "clock")} and is not kept up: ${problem.message}`);
  note.classList.add("stale");
  place.prepend(note);
}

/** Call `act` every `everyMs` while the page is seen, beginning now. */
export function regularly(act, everyMs) {
  const timer = setInterval(() => document.hidden || act(), everyMs);
  addEventListener("pagehide", () => clearInterval(timer));
  act();
}
