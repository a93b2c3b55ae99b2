// How one instrument trades: its phase and call, price bands, the period of its periodic call, and its schedule.

import { api, machine } from "../api.js";
import { dialog } from "../shell/dialogs.js";
import { actionButton, form } from "../shell/forms.js";
import { make, setText } from "../shell/make.js";
import { basisPoints, shown, usdc } from "../shell/numbers.js";
import { badge, empty, notice, words } from "../shell/states.js";
import { facts, panel } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { sayDecision } from "./decisions.js";
import { openOffice } from "./open.js";
import { parts, reopenOnChange } from "./place.js";
import { has } from "./roles.js";
import { schedulePanel } from "./schedule.js";
import { watch } from "./watch.js";

const CALLS = ["OPENING_CALL", "VOLATILITY_CALL", "CLOSING_CALL"];
const FOLLOWING = ["CONTINUOUS", "LIMIT_ONLY", "CANCEL_ONLY", "PRE_OPEN", "PERIODIC_CALL"];
const STOPPED = ["HALT", "CANCEL_ONLY"];
const KINDS = { CONTINUOUS: "FINAL", HALT: "FAILED" }; // all else waits
const failed = (problem) => toast(problem.message, "bad");
const options = (names) => names.map((name) => [name, words(name)]);
const off = (value, text) => (value ? text : "off");

/** As the trading API says it: phase, end, what a call comes to; null where it does not answer. */
async function auctionOf(symbol) {
  const { restPort } = await machine();
  return fetch(`http://${location.hostname}:${restPort}/api/v3/auction?symbol=${symbol}`, { credentials: "omit" }).then((response) => (response.ok ? response.json() : null)).catch(() => null);
}

async function load(symbol) {
  const [{ instruments, venue_phase }, auction] = await Promise.all([api.get("/operations/controls"), auctionOf(symbol)]);
  const control = instruments.find((each) => each.symbol === symbol);
  return control && { ...control, phase: auction?.phase ?? control.phase, venue_phase, auction };
}

/** How long until then, kept up each second while it is seen. */
function countdown(endTime) {
  const left = make("span", { role: "timer" });
  const draw = () => {
    const seconds = Math.max(0, Math.round((endTime - Date.now()) / 1000));
    setText(left, `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`);
  };
  const timer = setInterval(() => (left.isConnected ? draw() : clearInterval(timer)), 1_000);
  draw();
  return left;
}

function phaseFacts({ phase, venue_phase, auction }) {
  const indicative = auction?.indicative;
  return make("div", { class: "column" },
    venue_phase !== "CONTINUOUS" && notice("warn", `The whole venue is ${words(venue_phase).toLowerCase()}: the stricter of the two counts.`),
    facts([
      ["Phase", badge(KINDS[phase] ?? "WAITING", words(phase))],
      ["Ends in", auction?.endTime && make("span", {}, countdown(auction.endTime), " · ", time(auction.endTime, "clock"))],
      ["Indicative price", indicative && (/[1-9]/.test(indicative.price) ? `${shown(indicative.price)} USDC` : "none yet")],
      ["Would trade", indicative && shown(indicative.qty)],
      ["Left over (buys less sells)", indicative && shown(indicative.imbalance)],
    ]));
}

function setPhase(control, reload) {
  const shownDialog = dialog(`Phase of ${control.symbol}`, form({
    fields: [
      { name: "phase", label: "Phase", type: "select", options: options([...FOLLOWING, ...CALLS]) },
      { name: "minutes", label: "A call ends after", type: "number", min: 1, max: 1440, step: 1, unit: "minutes", required: false, help: "Only of an opening, volatility or closing call" },
      { name: "then", label: "And then", type: "select", options: options(FOLLOWING) },
    ],
    submit: "Set the phase",
    send: async ({ phase, minutes, then }) => {
      await api.post("/operations/phases", { instrument: control.instrument, phase, ...(minutes ? { call_s: Number(minutes) * 60, then } : {}) });
      toast(`${control.symbol}: ${words(phase).toLowerCase()}.`, "good");
      shownDialog.close();
      reload();
    },
  }));
}

function halt(control, reload) {
  const shownDialog = dialog(`Halt ${control.symbol}`, make("p", {}, "Nothing from traders is taken; what rests stays. It holds at once, by you alone. Lifting it takes two people."), form({
    fields: [{ name: "reason", label: "Why", maxLength: 500 }], submit: `Halt ${control.symbol}`, kind: "danger",
    send: async ({ reason }) => {
      await api.post("/operations/halts", { instrument: control.instrument, reason });
      shownDialog.close();
      reload();
    },
  }));
}

function lift(control) {
  const shownDialog = dialog(`Let ${control.symbol} trade again`, make("p", {}, "Another person has to approve it."), form({
    fields: [{ name: "minutes", label: "With an opening call of", type: "number", min: 1, max: 1440, step: 1, unit: "minutes", required: false, help: "None: at once, as its schedule says" }],
    submit: "Propose it",
    send: async ({ minutes }) => {
      sayDecision(await api.post("/operations/halts/lift", { instrument: control.instrument, ...(minutes ? { call_s: Number(minutes) * 60 } : {}) }));
      shownDialog.close();
    },
  }));
}

function setBands(control) {
  const shownDialog = dialog(`Price bands of ${control.symbol}`, make("p", { class: "quiet" }, "0 is no band. Two people decide."), form({
    fields: [
      { name: "static_bps", label: "Around the reference", type: "number", min: 0, max: 9999, value: control.static_bps, unit: "basis points" },
      { name: "reference_usdc", label: "Reference", inputMode: "decimal", unit: "USDC", required: false, help: "None: it stays as it is" },
      { name: "dynamic_bps", label: "Around the last trade", type: "number", min: 0, max: 9999, value: control.dynamic_bps, unit: "basis points" },
      { name: "call_s", label: "Call that it starts", type: "number", min: 0, max: 86400, value: control.call_s || 300, unit: "seconds" },
    ],
    submit: "Propose these bands",
    send: async (values) => {
      const numbers = Object.fromEntries(["static_bps", "dynamic_bps", "call_s"].map((name) => [name, Number(values[name])]));
      sayDecision(await api.post("/operations/bands", { ...values, ...numbers, instrument: control.instrument }));
      shownDialog.close();
    },
  }));
}

function setPeriod(control, reload) {
  const shownDialog = dialog(`Periodic call of ${control.symbol}`, form({
    fields: [{ name: "minutes", label: "Uncross every", type: "number", min: 0, max: 1440, value: control.period_s / 60, unit: "minutes", help: "0: not by itself. It counts in the phase periodic call." }],
    submit: "Set the period",
    send: async ({ minutes }) => {
      await api.post("/operations/periods", { instrument: control.instrument, period_s: Math.round(Number(minutes) * 60) });
      shownDialog.close();
      reload();
    },
  }));
}

/** The buttons are drawn by themselves: what a call comes to changes often, and takes nobody's focus. */
function phasePanel(symbol, who) {
  const standing = make("div");
  const acts = make("div");
  watch(standing, () => load(symbol), phaseFacts, 1_000);
  if (has(who, "ADMIN", "SETTLEMENT_OPERATOR")) {
    const ofPhase = async () => (({ instrument, phase }) => ({ instrument, symbol, phase }))(await load(symbol));
    const reload = watch(acts, ofPhase, (control) => make("div", { class: "buttons" },
      STOPPED.includes(control.phase)
        ? actionButton("Let it trade again", () => lift(control), { kind: "primary", failed })
        : actionButton("Set the phase", () => setPhase(control, () => reload()), { kind: "primary", failed }),
      control.phase !== "HALT" && actionButton("Halt", () => halt(control, () => reload()), { kind: "danger", failed })), 2_000);
  }
  return panel("Phase", make("div", { class: "column" }, standing, acts));
}

function bandsPanel(symbol, who) {
  const place = make("div");
  const isOperator = has(who, "ADMIN", "SETTLEMENT_OPERATOR");
  const reload = watch(place, () => load(symbol), (control) => make("div", { class: "column" }, facts([
    ["Around the reference", off(control.static_bps, basisPoints(control.static_bps))],
    ["Reference", control.reference_usdc ? usdc(control.reference_usdc) : "none"],
    ["Around the last trade", off(control.dynamic_bps, basisPoints(control.dynamic_bps))],
    ["Call that it starts", control.dynamic_bps ? `${control.call_s} seconds` : null],
    ["Periodic call", off(control.period_s, `uncrosses every ${control.period_s / 60} minutes`)],
  ]), isOperator && make("div", { class: "buttons" },
    actionButton("Set bands", () => setBands(control), { failed }),
    actionButton("Set the period", () => setPeriod(control, () => reload()), { failed }))));
  return panel("Price bands and periodic call", place);
}

openOffice({
  title: "Market rules",
  needs: ["ADMIN", "SETTLEMENT_OPERATOR", "COMPLIANCE_OFFICER"],
  async show(main, who) {
    reopenOnChange();
    const [symbol] = parts();
    const control = symbol && (await load(symbol));
    if (!control) return main.append(empty("There is no such instrument", "Choose one on the controls' page.", make("a", { class: "button", href: "/office/controls" }, "Controls")));
    main.append(
      make("p", { class: "quiet" }, control.name, " · ", make("a", { href: `/market#${symbol}` }, symbol)),
      make("div", { class: "columns" }, phasePanel(symbol, who), bandsPanel(symbol, who)),
      schedulePanel(symbol, who),
    );
  },
});
