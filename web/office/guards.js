// Kill switches and limits: what is on, what a switch would close, and the ways to set them.

import { api } from "../api.js";
import { confirmed, dialog } from "../shell/dialogs.js";
import { actionButton, form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { tokens, usdc } from "../shell/numbers.js";
import { panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { sayDecision } from "./decisions.js";
import { has } from "./roles.js";
import { watch } from "./watch.js";

const failed = (problem) => toast(problem.message, "bad");
const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;
const load = () => api.get("/operations/controls");
/** A field that is left empty is left out. */
const numbers = (values, ...names) => Object.fromEntries(names.filter((name) => values[name]).map((name) => [name, Number(values[name])]));

/** "account 7 in OAK12USDC", "every account". */
export function scopeText({ account, instrument }, instruments) {
  const symbol = instruments.find((each) => each.instrument === instrument)?.symbol;
  const whose = account ? `account ${account}` : "every account";
  return `${whose} in ${instrument ? symbol ?? `instrument ${instrument}` : "the whole venue"}`;
}

async function kill(scope, reason, instruments, reload) {
  const { orders, accounts } = await api.get("/operations/open-orders", scope);
  const closes = `It closes ${count(orders, "open order")} of ${count(accounts, "account")}, at once and by you alone, and new orders are refused. Releasing it takes two people.`;
  if (!(await confirmed(`Kill switch: ${scopeText(scope, instruments)}`, closes, "Put it on", true))) return;
  const { closed_orders } = await api.post("/operations/kill-switches", { ...scope, reason });
  toast(`It is on: ${count(closed_orders, "order")} closed.`, "good");
  reload();
}

async function release({ account, instrument }, instruments) {
  const text = "Another person has to approve it; then new orders are taken again.";
  if (!(await confirmed(`Release: ${scopeText({ account, instrument }, instruments)}`, text, "Propose it"))) return;
  sayDecision(await api.post("/operations/kill-switches/release", { account, instrument }));
}

const instrumentField = (instruments, everywhere) => ({
  name: "instrument", label: "Instrument", type: "select",
  options: [...(everywhere ? [["", everywhere]] : []), ...instruments.map((each) => [String(each.instrument), each.symbol])], required: !everywhere,
});
const accountField = { name: "account", label: "Account", type: "number", min: 1, step: 1, required: false };

/** What is on, and a form to put one on. */
export function switchesPanel(who, instruments) {
  const place = make("div");
  const mayRelease = has(who, "ADMIN", "SETTLEMENT_OPERATOR");
  const reload = watch(place, load, ({ kill_switches }) => table({
    caption: "Kill switches that are on",
    rows: kill_switches,
    columns: [
      { name: "Scope", cell: (each) => scopeText(each, instruments) },
      { name: "On since", cell: (each) => time(each.since) },
      { name: "", cell: (each) => mayRelease && actionButton("Release", () => release(each, instruments), { kind: "small", failed }) },
    ],
    none: { title: "No kill switch is on" },
  }));
  return panel("Kill switches", make("div", { class: "column" }, place, form({
    fields: [
      { ...accountField, placeholder: "every account" },
      instrumentField(instruments, "The whole venue"),
      { name: "reason", label: "Reason", maxLength: 500 },
    ],
    submit: "See what it closes", kind: "danger", isInline: true,
    send: ({ reason, ...scope }) => kill(numbers(scope, "account", "instrument"), reason, instruments, reload),
  })));
}

function proposeLimits(instruments) {
  const shown = dialog("Limits", make("p", { class: "quiet" }, "What is left empty has no limit. Two people decide; nothing that is open changes."), form({
    fields: [
      instrumentField(instruments),
      { ...accountField, help: "None: of every account that has none of its own" },
      { name: "order_usdc", label: "One order", inputMode: "decimal", unit: "USDC", required: false },
      { name: "position_tokens", label: "Position", inputMode: "decimal", unit: "tokens", required: false },
      { name: "open_orders", label: "Open orders", type: "number", min: 1, step: 1, required: false },
    ],
    submit: "Propose these limits",
    send: async (values) => {
      sayDecision(await api.post("/operations/limits", { ...values, ...numbers(values, "instrument", "account", "open_orders") }));
      shown.close();
    },
  }));
}

/** The limits that stand. */
export function limitsPanel(who, instruments) {
  const place = make("div");
  watch(place, load, ({ limits }) => table({
    caption: "Limits",
    rows: limits,
    columns: [
      { name: "Scope", cell: (each) => scopeText(each, instruments) },
      { name: "One order", cell: (each) => (each.order_usdc ? usdc(each.order_usdc) : "–"), isNumber: true },
      { name: "Position", cell: (each) => (each.position_tokens ? tokens(each.position_tokens, "tokens") : "–"), isNumber: true },
      { name: "Open orders", cell: (each) => each.open_orders ?? "–", isNumber: true },
    ],
    none: { title: "No limits are set", text: "The instruments' own terms and ownership caps count." },
  }));
  const propose = has(who, "ADMIN", "SETTLEMENT_OPERATOR") && actionButton("Set limits", () => proposeLimits(instruments), { kind: "small", failed });
  return panel("Limits", place, propose);
}
