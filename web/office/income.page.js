// A property's income: what came in, what it cost, what remains for holders, charge by charge.

import { api } from "../api.js";
import { form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { basisPoints, usd, usdc } from "../shell/numbers.js";
import { badge, fill } from "../shell/states.js";
import { csv, download, facts, panel, table } from "../shell/tables.js";
import { calendarDay, time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { sayDecision } from "./decisions.js";
import { hash } from "./hash.js";
import { openOffice } from "./open.js";
import { parts, reopenOnChange } from "./place.js";
import { propertyHead, propertyOf } from "./property.js";
import { has } from "./roles.js";
import { watch } from "./watch.js";

const today = () => new Date().toISOString().slice(0, 10);

/** Each line of the sum from rent to what remains, as a reader adds it up. */
function sum(statement) {
  const lines = [
    ["Rent charged", statement.rent_usd, ""],
    ["Refunds", statement.refunds_usd, "−"],
    ["Disputed", statement.disputes_usd, "−"],
    ["Stripe's fees", statement.stripe_fees_usd, "−"],
    ["Management", statement.management_fee_usd, "−"],
    ["Expenses", statement.expenses_usd, "−"],
    ["Kept in the reserve", statement.reserve_contribution_usd, "−"],
  ];
  const row = ([name, amount, sign]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: "number" }, `${Number(amount) ? sign : ""} ${usd(amount)}`));
  return make(
    "table", { class: "sum" }, make("caption", { class: "unseen" }, "From rent to what remains"),
    make("tbody", {}, lines.map(row)),
    make("tfoot", {}, make("tr", {}, make("th", { scope: "row" }, "Remains for holders"), make("td", { class: "number big" }, usd(statement.net_usd)))),
  );
}

function figures(statement) {
  const figure = (label, value, text) => make("div", { class: "figure" }, make("span", { class: "quiet" }, label), make("strong", { class: "big" }, value), make("span", { class: "quiet" }, text));
  return make(
    "div", { class: "figures" },
    figure("Can be paid out now", usdc(statement.available_usdc), "in the treasury, named in no dividend"),
    figure("Named in dividends", usdc(statement.named_usdc), "of this period's charges"),
    figure("Reserve now", usdc(statement.reserve_usdc), "bears refunds; below zero, income is withheld"),
  );
}

function charges(statement) {
  return table({
    caption: "Charges of the period",
    rows: statement.charges,
    columns: [
      { name: "Charge", cell: (each) => hash(each.charge, "charge") },
      { name: "Unit", cell: (each) => each.unit },
      { name: "Month", cell: (each) => each.period },
      { name: "Charged", cell: (each) => time(each.charged_at, "day") },
      { name: "Rent", cell: (each) => usd(each.usd), isNumber: true },
      { name: "Refunded", cell: (each) => usd(each.refunded_usd), isNumber: true },
      { name: "Remains", cell: (each) => usd(each.net_usd), isNumber: true },
      { name: "In USDC", cell: (each) => (each.is_usdc ? "yes" : "on its way") },
      { name: "Dividends", cell: (each) => each.dividends.length ? each.dividends.map((id) => [make("a", { href: `/office/dividend#${id}` }, usdc(each.named_usdc)), " "]) : "none" },
    ],
    none: { title: "No rent was charged in this period", text: "Choose another one, or look at the leases." },
  });
}

function asCsv(statement) {
  const names = ["charge", "unit", "period", "charged_at", "usd", "stripe_fee_usd", "refunded_usd", "disputed_usd", "management_fee_usd", "reserve_usd", "net_usd", "is_usdc", "named_usdc"];
  download(`income-${statement.from}-${statement.to}.csv`, csv([names, ...statement.charges.map((each) => names.map((name) => each[name]))]), "text/csv");
}

function statementPanel(propertyId) {
  const place = make("div", { class: "column" });
  let current;
  const show = (from, to) => fill(place, () => api.get(`/properties/${propertyId}/income-statement`, { from, to }), (statement) => {
    current = statement;
    return [make("div", { class: "columns" }, sum(statement), figures(statement)), charges(statement)];
  });
  const month = today().slice(0, 7);
  const period = form({
    fields: [
      { name: "from", label: "From", type: "date", value: `${month}-01` },
      { name: "to", label: "To, included", type: "date", value: today() },
    ],
    submit: "Show", isInline: true, kind: "",
    send: ({ from, to }) => show(from, to),
  });
  show(`${month}-01`, today());
  const keep = make("button", { type: "button", class: "small", on: { click: () => current && asCsv(current) } }, "Keep as CSV");
  return panel("Income statement", make("div", { class: "column" }, period, place), keep);
}

function expensesPanel(property, isOwn, documents) {
  const place = make("div");
  const path = `/properties/${property.property_id}/expenses`;
  const names = new Map(documents.map((each) => [each.document_id, each]));
  const reload = watch(place, () => api.get(path), (found) => table({
    caption: "Expenses",
    rows: found,
    columns: [
      { name: "Day", cell: (each) => calendarDay(each.spent_on) },
      { name: "What for", cell: (each) => each.what },
      { name: "Bill", cell: (each) => { const bill = names.get(each.document); return bill ? make("a", { href: bill.link, target: "_blank", rel: "noopener" }, bill.name) : "–"; } },
      { name: "Amount", cell: (each) => usd(each.usd), isNumber: true },
    ],
    none: { title: "No expense yet" },
  }));
  let expenseId = crypto.randomUUID(); // kept until it is booked, so that a repeated call books it once
  const add = isOwn && form({
    fields: [
      { name: "usd", label: "Amount", unit: "USD", inputMode: "decimal" },
      { name: "what", label: "What for", maxLength: 200 },
      { name: "spent_on", label: "Day", type: "date", value: today() },
      { name: "document", label: "Bill", type: "select", required: false, options: [["", "None"], ...documents.map((each) => [each.document_id, each.name])] },
    ],
    submit: "Book it", isInline: true,
    send: async (values, element) => {
      await api.post(path, { ...values, expense_id: expenseId });
      expenseId = crypto.randomUUID();
      toast("The expense is booked.", "good");
      element.reset();
      reload();
    },
  });
  return panel("Expenses", make("div", { class: "column" }, place, add));
}

async function termsPanel(property, isAdmin) {
  const terms = await api.get(`/properties/${property.property_id}/rent-terms`);
  const change = isAdmin && form({
    fields: [
      { name: "management_fee_bps", label: "Management", type: "number", min: 0, max: 10000, value: terms.management_fee_bps, unit: "basis points" },
      { name: "reserve_bps", label: "Reserve", type: "number", min: 0, max: 10000, value: terms.reserve_bps, unit: "basis points" },
    ],
    submit: "Propose", isInline: true,
    send: async (values) => sayDecision(await api.put(`/properties/${property.property_id}/rent-terms`, { management_fee_bps: Number(values.management_fee_bps), reserve_bps: Number(values.reserve_bps) })),
  });
  return panel("What is taken of the rent", make("div", { class: "column" },
    facts([["Management takes", basisPoints(terms.management_fee_bps)], ["The reserve keeps", basisPoints(terms.reserve_bps)], ["Remains", basisPoints(10_000 - terms.management_fee_bps - terms.reserve_bps)]]),
    change || make("p", { class: "quiet" }, "Two admins decide these."),
  ));
}

/** What the manager is owed, and was paid; admins pay, two together. */
function managerPanel(property, isAdmin) {
  const path = `/properties/${property.property_id}/manager-payments`;
  const place = make("div");
  watch(place, () => api.get(path), (account) => make("div", { class: "column" },
    facts([["Fee owed", usd(account.management_fee_usd)], ["Expenses owed", usd(account.expenses_usd)], ["Of both, the treasury has", usd(account.payable_usd)]]),
    account.payments.length > 0 && table({
      caption: "Payments to the manager",
      rows: account.payments,
      columns: [
        { name: "Decided", cell: (each) => time(each.decided_at) },
        { name: "Fee", cell: (each) => usd(each.management_fee_usd), isNumber: true },
        { name: "Expenses", cell: (each) => usd(each.expenses_usd), isNumber: true },
        { name: "To", cell: (each) => hash(each.wallet, "address") },
        { name: "State", cell: (each) => [badge(each.state), each.failure && ` ${each.failure}`] },
        { name: "Transaction", cell: (each) => hash(each.transaction, "transaction") },
      ],
    }),
    isAdmin && Number(account.payable_usd) > 0 && form({
      fields: [
        { name: "management_fee_usd", label: "Fee", unit: "USD", inputMode: "decimal", value: account.management_fee_usd },
        { name: "expenses_usd", label: "Expenses", unit: "USD", inputMode: "decimal", value: account.expenses_usd },
      ],
      submit: "Propose to pay it", isInline: true,
      send: async (values) => sayDecision(await api.post(path, values)),
    })));
  return panel("Owed to the manager", place);
}

openOffice({
  title: "Income",
  needs: ["PROPERTY_MANAGER", "ADMIN"],
  isTitled: false,
  async show(main, who) {
    const [id] = parts();
    reopenOnChange();
    const [property, documents] = await Promise.all([propertyOf(id), api.get(`/properties/${id}/documents`)]);
    document.title = `Income of ${property.terms.name} · Deedbook`;
    const isOwn = property.manager_id === who.user_id;
    main.append(...propertyHead(property, who), statementPanel(id), expensesPanel(property, isOwn, documents), managerPanel(property, has(who, "ADMIN")), await termsPanel(property, has(who, "ADMIN")));
  },
});
