// What is there for what is owed, and dollars on their way to the treasury.

import { api } from "../api.js";
import { dialog } from "../shell/dialogs.js";
import { actionButton, form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { percent, shown, units, usd, usdc } from "../shell/numbers.js";
import { badge, notice, words } from "../shell/states.js";
import { facts, panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { hash } from "./hash.js";
import { openOffice } from "./open.js";
import { watch } from "./watch.js";

const micros = (text) => units(text, 6);

function proof(found) {
  const isCovered = micros(found.reserves_usdc) >= micros(found.liabilities_usdc);
  const isSame = found.journal_usdc === found.liabilities_usdc;
  return make("div", { class: "column" },
    isCovered ? notice("good", make("strong", {}, "Covered. "), `The vault owns ${usdc(found.reserves_usdc)} and owes traders ${usdc(found.liabilities_usdc)} at block ${shown(found.block)}.`)
      : notice("bad", make("strong", {}, "Not covered. "), `The vault owns ${usdc(found.reserves_usdc)} and owes traders ${usdc(found.liabilities_usdc)} at block ${shown(found.block)}. Halt the venue and look at once.`),
    facts([
      ["The vault owns", usdc(found.reserves_usdc)],
      ["The vault owes", usdc(found.liabilities_usdc)],
      ["Covered to", percent(micros(found.reserves_usdc), micros(found.liabilities_usdc))],
      ["More than owed", usdc(found.surplus_usdc)],
      ["Traders have, by the journal", usdc(found.journal_usdc)],
      ["Journal up to", `command ${shown(found.seq)}, chain credited to block ${shown(found.engine_block)}`],
    ]),
    make("p", { class: "quiet" }, isSame ? "Chain and journal say the same, to the unit." : "Chain and journal differ by what is on its way: deposits, batches and withdrawals that are not final yet. In a quiet market they are equal; deedbook verify compares account by account."),
    table({
      caption: "Tokens",
      rows: found.tokens,
      columns: [
        { name: "Market", cell: (each) => each.symbol },
        { name: "Supply on the chain", cell: (each) => `${shown(each.supply)} tokens`, isNumber: true },
        { name: "With traders, by the journal", cell: (each) => `${shown(each.held)} tokens`, isNumber: true },
        { name: "Of them locked for trading", cell: (each) => `${shown(each.locked)} tokens`, isNumber: true },
      ],
      none: { title: "No token yet" },
    }),
  );
}

function match(wire, reload) {
  const element = dialog(`Match a wire of ${usd(wire.usd)}`, make("p", {}, "The wire and what a bank kept of it have to be the payout's amount, to the cent."), form({
    fields: [
      { name: "reference", label: "The payout's reference" },
      { name: "bank_kept_usd", label: "What a bank kept of it", unit: "USD", inputMode: "decimal", value: "0", help: "The platform carries it." },
    ],
    submit: "Match it",
    send: async (values) => {
      await api.post("/treasury/matches", { deposit_id: wire.deposit_id, ...values });
      toast("Matched.", "good");
      element.close();
      reload();
    },
  }));
}

function treasury(found, reload) {
  return make("div", { class: "column" },
    ...(found.differences.length ? found.differences.map((text) => notice("warn", text)) : [notice("good", "Ledger, Circle and chain agree.")]),
    facts([
      ["Treasury on the chain", found.chain === null ? "the chain is away" : usdc(found.chain)],
      ["At Circle, available", found.circle_available === null ? "Circle is away" : usdc(found.circle_available)],
      ["At Circle, on its way", found.circle_unsettled === null ? "–" : usdc(found.circle_unsettled)],
      ...Object.entries(found.ledger).map(([name, amount]) => [`Ledger: ${words(name).replace(/usdc/i, "USDC")}`, usdc(amount)]),
    ]),
    make("h3", {}, "Payouts on their way"),
    table({
      caption: "Payouts from Stripe to the treasury",
      rows: found.conversions,
      columns: [
        { name: "Reference", cell: (each) => each.reference },
        { name: "Amount", cell: (each) => usd(each.usd), isNumber: true },
        { name: "Bank kept", cell: (each) => usd(each.bank_kept_usd), isNumber: true },
        { name: "State", cell: (each) => badge(each.state) },
        { name: "Transaction", cell: (each) => hash(each.transaction, "transaction") },
        { name: "Begun", cell: (each) => time(each.started_at) },
        { name: "Changed", cell: (each) => time(each.changed_at) },
      ],
      none: { title: "No payout yet", text: "Stripe pays out what tenants paid; it becomes USDC at Circle." },
    }),
    make("h3", {}, "Wires that pay for no payout"),
    table({
      caption: "Unmatched wires",
      rows: found.wires,
      columns: [
        { name: "Wire", cell: (each) => hash(each.deposit_id, "wire's id") },
        { name: "Amount", cell: (each) => usd(each.usd), isNumber: true },
        { name: "Fee", cell: (each) => usd(each.fee_usd), isNumber: true },
        { name: "Trouble", cell: (each) => each.trouble },
        { name: "Came", cell: (each) => time(each.created_at) },
        { name: "", cell: (each) => actionButton("Match", () => match(each, reload), { kind: "small" }) },
      ],
      none: { title: "None", text: "Every wire pays for a payout." },
    }),
  );
}

openOffice({
  title: "Reserves and treasury",
  needs: ["ADMIN", "SETTLEMENT_OPERATOR"],
  async show(main) {
    const [reserves, money] = [make("div"), make("div")];
    main.append(panel("Proof of reserves", reserves), panel("From rent to USDC", money));
    watch(reserves, () => api.get("/operations/reserves"), proof, 5_000);
    const reload = watch(money, () => api.get("/treasury"), (found) => treasury(found, () => reload()), 10_000);
  },
});
