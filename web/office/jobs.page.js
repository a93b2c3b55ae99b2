// Work in the background: what runs, what waits and for what, what failed and is tried again.

import { api } from "../api.js";
import { actionButton } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { badge, words } from "../shell/states.js";
import { panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { openOffice } from "./open.js";
import { watch } from "./watch.js";

const STATES = [["", "All"], ["FAILED", "Failed"], ["RUNNING", "Running"], ["QUEUED", "Waiting"], ["DONE", "Done"]];
const NAMES = {
  accreditation_reminders: "Remind of what ends", convert: "Dollars to USDC", dividend: "Pay a dividend", dividend_prepare: "Count a dividend's holders", exit: "Burn and pay",
  cash_account: "Open a recovered wallet's cash account", exit_prepare: "Count an exit's holders", fees: "Set fees", freeze: "Freeze or free a wallet", "halt-lift": "Lift a halt", identity: "Identity on the chain", identity_revoke: "Revoke an identity",
  kyc_approval: "Read an identity check", kyc_reminders: "Remind of what ends", liquidate: "End a property's trading", manager_payment: "Pay a manager", purchase: "First-sale purchase", purchase_seen: "Purchase seen on the chain",
  sale_close: "Close a first sale", sale_open: "Open a first sale", stripe_event: "Stripe's event", tokenize: "Deploy and mint a token",
};
const failed = (problem) => toast(problem.message, "bad");

function retry(path, reload) {
  return actionButton("Try again", async () => {
    await api.post(path);
    toast("It is tried again.", "good");
    reload();
  }, { kind: "small", failed });
}

function howFar({ state, step, steps_done: done, steps_of: of }) {
  if (!of || state === "DONE") return step || "–";
  return make("div", { class: "progress" }, make("progress", { max: of, value: done, aria: { label: step } }), make("span", { class: "quiet" }, `${step}, ${done} of ${of}`));
}

function jobs(main) {
  const place = make("div");
  const state = make("select", { class: "choice", aria: { label: "Which jobs" } }, STATES.map(([value, text]) => make("option", { value }, text)));
  main.append(panel("Jobs", place, state));
  const reload = watch(place, () => api.get("/operations/jobs", { state: state.value, limit: 100 }), (found) => table({
    caption: "Jobs, the newest first",
    rows: found,
    columns: [
      { name: "Job", cell: (each) => NAMES[each.kind] ?? words(each.kind) },
      { name: "Of", cell: (each) => make("span", { class: "mono", title: each.key }, each.key.length > 20 ? `${each.key.slice(0, 17)}…` : each.key) },
      { name: "State", cell: (each) => badge(each.state) },
      { name: "How far", cell: howFar },
      { name: "Attempt", cell: (each) => String(each.attempt), isNumber: true },
      { name: "Why", cell: (each) => each.reason || "–" },
      { name: "Changed", cell: (each) => time(each.changed_at) },
      { name: "", cell: (each) => (each.state === "FAILED" ? retry(`/operations/jobs/${encodeURIComponent(each.kind)}/${encodeURIComponent(each.key)}/retry`, () => reload()) : "") },
    ],
    none: { title: "No job here", text: "Every effect outside the database is a job; each is kept for ever." },
  }), 2_000);
  state.addEventListener("change", () => {
    state.blur();
    reload();
  });
}

function letters(main) {
  const place = make("div");
  main.append(panel("Dead letters", place));
  const reload = watch(place, () => api.get("/operations/dead-letters"), (found) => table({
    caption: "What could not be handled",
    rows: found,
    columns: [
      { name: "What", cell: (each) => each.name },
      { name: "Error", cell: (each) => each.error },
      { name: "Since", cell: (each) => time(each.at) },
      { name: "", cell: (each) => retry(`/operations/dead-letters/${encodeURIComponent(each.message_id)}/retry`, () => reload()) },
    ],
    none: { title: "No dead letter", text: "A chain event whose effect failed eight times, or a message that nobody could handle, would be here." },
  }));
}

openOffice({
  title: "Jobs and dead letters",
  needs: ["ADMIN", "SETTLEMENT_OPERATOR"],
  async show(main) {
    letters(main);
    jobs(main);
  },
});
