// What two people decide: in words, and what to say of a decision that was just taken part in.

import { api } from "../api.js";
import { make } from "../shell/make.js";
import { basisPoints, decimal, tokens, usd, usdc } from "../shell/numbers.js";
import { words } from "../shell/states.js";
import { facts } from "../shell/tables.js";
import { toast } from "../shell/toasts.js";

export const KINDS = {
  PROPERTY_APPROVE: "Approve a property",
  MINT: "Deploy and mint a token",
  BURN: "Burn all tokens and pay the holders",
  DIVIDEND: "Pay a dividend",
  FREEZE: "Freeze or free a wallet",
  FEE: "Set trading fees",
  RENT_TERMS: "Set a property's rent terms",
  MANAGER_PAYMENT: "Pay a property's manager",
  ROLES: "Appoint somebody",
  HALT_LIFT: "Let trading go on",
  KILL_RELEASE: "Take a kill switch off",
  LIMITS: "Set limits of orders and positions",
  BANDS: "Set price bands",
};

/** After a route that answers a decision: was it a proposal, or the second yes? */
export function sayDecision(decision) {
  const link = { href: `/office/approvals#${decision.approval_id}`, text: "See it" };
  if (decision.state === "APPROVED") toast("Two people have approved this; it is being carried out.", "good", link);
  else toast("Proposed. Another person has to approve it.", "good", link);
}

const UNITS = [
  [/_bps$/, (value) => basisPoints(value)],
  [/_usdc$/, (value) => usdc(value)],
  [/_cents$/, (value) => usd(decimal(BigInt(value), 2))],
  [/_usdc_micros$/, (value) => `${value} millionths of a USDC`],
  [/_tokens$/, (value) => tokens(value, "tokens")],
  [/_days$/, (value) => `${value} days`],
  [/_s$/, (value) => `${value} seconds`],
  [/_base_units$/, (value) => `${value} base units`],
];

// What a missing value or a zero means, where it is not plain.
const MEANINGS = {
  allowed_countries: [null, "every country in which the regime allows it"],
  instrument: [null, "the whole venue"],
  account: [null, "every account"],
  call_s: [null, "no call before"],
  order_usdc: [null, "no limit"],
  position_tokens: [null, "no limit"],
  open_orders: [null, "as the instrument's terms say"],
  reference_usdc: [null, "as it stands"],
  static_bps: [0, "no band"],
  dynamic_bps: [0, "no band"],
  holder_cap: [0, "any number of holders"],
  ownership_cap_bps: [0, "no cap"],
  order_max_tokens: [null, "the supply"],
};

/** A payload in full: plain members in rows, and each group under its name. Nothing is left out. */
export function payloadView(payload) {
  const entries = Object.entries(payload);
  const isGroup = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const rows = entries.filter(([, value]) => !isGroup(value)).map(([name, value]) => [make("dt", {}, label(name)), make("dd", {}, valueText(name, value))]);
  const groups = entries.filter(([, value]) => isGroup(value)).map(([name, value]) => make("section", { class: "column" }, make("h3", {}, label(name)), facts(Object.entries(value).map(([inner, text]) => [label(inner), isGroup(text) ? JSON.stringify(text) : valueText(inner, text)]))));
  return make("div", { class: "payload-text" }, groups, make("dl", { class: "rows" }, rows));
}

function label(name) {
  return words(name.replace(/_(bps|usdc|usdc_micros|cents|tokens|days|s|base_units)$/, ""));
}

function valueText(name, value) {
  const [plain, meaning] = MEANINGS[name] ?? [];
  if (meaning && value === plain) return meaning;
  if (value === null) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length ? value.map((each) => make("div", { class: "mono" }, typeof each === "object" ? JSON.stringify(each) : String(each))) : "none";
  const unit = UNITS.find(([pattern]) => pattern.test(name));
  const isHash = typeof value === "string" && /^(0x)?[0-9a-f-]{32,}$/i.test(value);
  return unit ? unit[1](value) : make("span", { class: isHash ? "mono" : undefined }, String(value));
}

/** The approval that waits for a subject, or null; `kinds` are asked for in this order. */
export async function waitingFor(subject, ...kinds) {
  const open = await api.get("/approvals", { state: "PROPOSED" });
  return open.find((each) => each.subject === subject && kinds.includes(each.kind)) ?? null;
}
