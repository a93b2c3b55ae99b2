// Payouts, be they dividends or exits: every holder's line, before it is decided and while it is paid.

import { make } from "../shell/make.js";
import { percent, shown, units, usdc } from "../shell/numbers.js";
import { badge, progress } from "../shell/states.js";
import { csv, download, table } from "../shell/tables.js";
import { hash } from "./hash.js";

const USDC_DECIMALS = 6;
const TOKEN_DECIMALS_MAX = 18;
export const UNDECIDED = ["PREPARING", "PREPARED"];
export const OVER = ["PAID", "CANCELLED", "FAILED"];

/** The lines; where they are all of them, each with its share of the tokens that are counted. */
export function linesTable({ lines }, symbol, areAll = true) {
  const held = (line) => units(line.tokens, TOKEN_DECIMALS_MAX);
  const whole = lines.reduce((sum, line) => sum + held(line), 0n);
  return table({
    caption: "Every holder's line",
    rows: lines,
    columns: [
      { name: "Wallet", cell: (each) => hash(each.wallet, "address") },
      { name: `Holds (${symbol})`, cell: (each) => shown(each.tokens), isNumber: true },
      { name: "Gets", cell: (each) => usdc(each.usdc), isNumber: true },
      ...(areAll ? [{ name: "Share", cell: (each) => percent(held(each), whole), isNumber: true }] : []),
      { name: "State", cell: (each) => [badge(each.state), each.owed_to ? [" to ", hash(each.owed_to, "address")] : ""] },
      { name: "Transaction", cell: (each) => hash(each.transaction, "transaction") },
    ],
    none: { title: "No line yet", text: "Holders are counted at the record date, once every trade up to it is final." },
  });
}

/** How much of the pool has reached its holders. */
export function paidProgress(payout) {
  const of = (name) => units(payout[name], USDC_DECIMALS);
  const done = of("paid_usdc") + of("claimed_usdc") + of("owed_usdc");
  const whole = of("pool_usdc");
  const bar = progress("Paid", Number(whole ? (done * 1000n) / whole : 0n), 1000, `${usdc(payout.paid_usdc)} paid, ${usdc(payout.owed_usdc)} owed, ${usdc(payout.claimed_usdc)} claimed of ${usdc(payout.pool_usdc)}`);
  bar.querySelector(".row .quiet").textContent = percent(done, whole, 1);
  return bar;
}

/** A button that keeps the lines as a file. */
export function keepLines(name, { lines }) {
  const keep = () => download(`${name}.csv`, csv([["wallet", "tokens", "usdc", "state", "owed_to", "transaction"], ...lines.map((each) => [each.wallet, each.tokens, each.usdc, each.state, each.owed_to, each.transaction])]), "text/csv");
  return make("button", { type: "button", class: "small", on: { click: keep } }, "Keep as CSV");
}
