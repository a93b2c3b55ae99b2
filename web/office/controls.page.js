// What keeps the market in order: halts and kill switches by one person; what loosens, fees and freezes by two.

import { api, machine } from "../api.js";
import { PHASES } from "../market/words.js";
import { confirmed, dialog } from "../shell/dialogs.js";
import { actionButton, form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { basisPoints } from "../shell/numbers.js";
import { badge, notice, words } from "../shell/states.js";
import { panel, table } from "../shell/tables.js";
import { toast } from "../shell/toasts.js";
import { sayDecision } from "./decisions.js";
import { limitsPanel, switchesPanel } from "./guards.js";
import { openOffice } from "./open.js";
import { has } from "./roles.js";
import { watch } from "./watch.js";

const HALTED = "BREAK"; // as the trading API says it
const STOPPED = [HALTED, "HALT", ""]; // halted, cancel-only, and not known
const KINDS = { TRADING: "FINAL", BREAK: "FAILED" }; // all else waits
const failed = (problem) => toast(problem.message, "bad");

/** The instruments, each with its phase as the trading API says it; "" where it does not answer. */
async function load() {
  const [instruments, { restPort }] = await Promise.all([api.get("/operations/instruments"), machine()]);
  const answer = await fetch(`http://${location.hostname}:${restPort}/api/v3/exchangeInfo`, { credentials: "omit" }).then((response) => response.json()).catch(() => ({ symbols: [] }));
  const phases = new Map(answer.symbols.map(({ symbol, status }) => [symbol, status]));
  return instruments.map((each) => ({ ...each, phase: phases.get(each.symbol) ?? "" }));
}

function phaseBadge(phase) {
  return phase ? badge(KINDS[phase] ?? "WAITING", PHASES[phase] ?? words(phase)) : "not known";
}

function halt(instrument, reload) {
  const what = instrument ? instrument.symbol : "the whole venue";
  const shown = dialog(`Halt ${what}`, make("p", {}, "Nothing from traders is taken; what rests stays. It holds at once, by you alone. Lifting it takes two people."), form({
    fields: [{ name: "reason", label: "Why", maxLength: 500 }],
    submit: `Halt ${what}`, kind: "danger",
    send: async ({ reason }) => {
      await api.post("/operations/halts", { reason, ...(instrument ? { instrument: instrument.instrument } : {}) });
      toast(`${instrument ? what : "The whole venue"} is halted.`, "good");
      shown.close();
      reload();
    },
  }));
}

async function lift(instrument) {
  const what = instrument ? instrument.symbol : "the whole venue";
  if (!(await confirmed(`Let ${what} trade again`, "Another person has to approve it.", "Propose it"))) return;
  sayDecision(await api.post("/operations/halts/lift", instrument ? { instrument: instrument.instrument } : {}));
}

function fees(instrument) {
  const shown = dialog(`Fees of ${instrument.symbol}`, form({
    fields: [
      { name: "maker_fee_bps", label: "Maker", type: "number", min: 0, max: 1000, value: instrument.maker_fee_bps, unit: "basis points" },
      { name: "taker_fee_bps", label: "Taker", type: "number", min: 0, max: 1000, value: instrument.taker_fee_bps, unit: "basis points" },
    ],
    submit: "Propose these fees",
    send: async (values) => {
      sayDecision(await api.post("/operations/fees", { instrument: instrument.instrument, maker_fee_bps: Number(values.maker_fee_bps), taker_fee_bps: Number(values.taker_fee_bps) }));
      shown.close();
    },
  }), make("p", { class: "quiet" }, "Open orders keep the fees that they were accepted with."));
}

function marketPanel(who) {
  const place = make("div");
  const mayHalt = has(who, "ADMIN", "SETTLEMENT_OPERATOR");
  const reload = watch(place, load, (found) => table({
    caption: "Instruments",
    rows: found,
    columns: [
      { name: "Instrument", cell: (each) => make("a", { href: `/office/rules#${each.symbol}` }, each.symbol) },
      { name: "Name", cell: (each) => each.name },
      { name: "Phase", cell: (each) => phaseBadge(each.phase) },
      { name: "Maker fee", cell: (each) => basisPoints(each.maker_fee_bps), isNumber: true },
      { name: "Taker fee", cell: (each) => basisPoints(each.taker_fee_bps), isNumber: true },
      {
        name: "", cell: (each) => make("div", { class: "buttons" },
          mayHalt && each.phase !== HALTED && actionButton("Halt", () => halt(each, () => reload()), { kind: "small", failed }),
          mayHalt && STOPPED.includes(each.phase) && actionButton("Lift the halt", () => lift(each), { kind: "small", failed }),
          has(who, "ADMIN") && actionButton("Fees", () => fees(each), { kind: "small", failed })),
      },
    ],
    none: { title: "Nothing is listed yet", text: "An instrument is listed when a property's token is minted." },
  }), 2_000);
  const whole = mayHalt && make("div", { class: "buttons" },
    actionButton("Halt the whole venue", () => halt(null, () => reload()), { kind: "danger small", failed }),
    actionButton("Lift the venue's halt", () => lift(null), { kind: "small", failed }));
  return panel("Trading", place, whole);
}

function freezePanel(who, instruments) {
  return panel("Freeze a wallet, or free it", make("div", { class: "column" },
    notice("note", "Two people decide. A freeze holds in the exchange when it is decided and on the chain soon after; open orders are cancelled. Freeing holds once the chain says so."),
    form({
      fields: [
        { name: "wallet", label: "Wallet", pattern: "0x[0-9a-fA-F]{40}", placeholder: "0x…", autocomplete: "off", spellcheck: false },
        { name: "instrument", label: "Instrument", type: "select", options: instruments.map((each) => [String(each.instrument), each.symbol]) },
        { name: "act", label: "What", type: "select", options: [["freeze", "Freeze it"], ["free", "Free it"]] },
      ],
      submit: "Propose it", isInline: true,
      send: async ({ wallet, instrument, act }) => sayDecision(await api.post("/operations/freezes", { wallet, instrument: Number(instrument), is_frozen: act === "freeze" })),
    })));
}

openOffice({
  title: "Market controls",
  needs: ["ADMIN", "SETTLEMENT_OPERATOR", "COMPLIANCE_OFFICER"],
  async show(main, who) {
    const instruments = await api.get("/operations/instruments");
    main.append(marketPanel(who), switchesPanel(who, instruments), limitsPanel(who, instruments));
    if (has(who, "ADMIN", "COMPLIANCE_OFFICER")) main.append(freezePanel(who, instruments));
  },
});
