// Dividends: those that there are, and a proposal of another.

import { api } from "../api.js";
import { form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { usdc } from "../shell/numbers.js";
import { badge, empty } from "../shell/states.js";
import { panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { openOffice } from "./open.js";
import { parts, reopenOnChange } from "./place.js";
import { properties, propertyHead } from "./property.js";
import { has } from "./roles.js";
import { watch } from "./watch.js";

const PAYING = ["TOKENIZED"];

function listed(names) {
  return (found) => table({
    caption: "Dividends, the newest first",
    rows: found,
    columns: [
      { name: "Proposed", cell: (each) => make("a", { href: `/office/dividend#${each.dividend_id}` }, time(each.created_at)) },
      { name: "Property", cell: (each) => names.get(each.property_id) ?? "–" },
      { name: "Of", cell: (each) => each.period ?? "an amount" },
      { name: "Pool", cell: (each) => usdc(each.pool_usdc), isNumber: true },
      { name: "Holders", cell: (each) => (each.holders === null ? "–" : String(each.holders)), isNumber: true },
      { name: "Paid", cell: (each) => usdc(each.paid_usdc), isNumber: true },
      { name: "State", cell: (each) => badge(each.state) },
    ],
    none: { title: "No dividend yet", text: "One is proposed out of a property's income, prepared holder by holder, and then decided by two admins." },
  });
}

function proposal(paying, chosen) {
  const month = new Date().toISOString().slice(0, 7);
  const element = form({
    fields: [
      { name: "property_id", label: "Property", type: "select", value: chosen, options: paying.map((each) => [each.property_id, `${each.terms.name} (${each.terms.symbol})`]) },
      { name: "of", label: "What is paid out", type: "select", value: "period", options: [["period", "What remained of a month"], ["usdc", "An amount of its income"]] },
      { name: "period", label: "Month", type: "month", value: month, required: false, pattern: "[0-9]{4}-[0-9]{2}" },
      { name: "usdc", label: "Amount", unit: "USDC", inputMode: "decimal", required: false },
      { name: "record", label: "Holders are counted", type: "number", required: false, min: 1, placeholder: "now", unit: "command of the journal", help: "Left empty: at this moment. Trades under way count for their buyers." },
      { name: "include_unsold", label: "The issuer's unsold tokens get a share like all others", type: "checkbox", checked: true },
    ],
    submit: "Prepare it",
    send: async ({ property_id: propertyId, of, period, usdc: amount, record, include_unsold: includesUnsold }) => {
      const body = { property_id: propertyId, include_unsold: includesUnsold, record: record ? Number(record) : "now", ...(of === "usdc" ? { usdc: amount ?? "" } : { period: period ?? "" }) };
      const made = await api.post("/dividends", body);
      location.assign(`/office/dividend#${made.dividend_id}`);
    },
  });
  const choose = () => {
    const isAmount = element.elements.of.value === "usdc";
    element.elements.usdc.closest(".field").hidden = !isAmount;
    element.elements.period.closest(".field").hidden = isAmount;
  };
  element.elements.of.addEventListener("change", choose);
  choose();
  element.classList.add("two-columns");
  return element;
}

openOffice({
  title: "Dividends",
  needs: ["ADMIN", "SETTLEMENT_OPERATOR", "PROPERTY_MANAGER"],
  isTitled: false,
  async show(main, who) {
    const [id] = parts();
    reopenOnChange();
    const all = await properties(who);
    const one = all.find((each) => each.property_id === id);
    const names = new Map(all.map((each) => [each.property_id, each.terms.name]));
    const list = make("div");
    main.append(...(one ? propertyHead(one, who) : [make("h1", {}, "Dividends")]), panel(one ? `Dividends of ${one.terms.name}` : "Dividends", list));
    watch(list, () => api.get("/dividends", { property_id: id, limit: 100 }), listed(names));
    if (!has(who, "ADMIN")) return;
    const paying = all.filter((each) => PAYING.includes(each.state) && (!one || each === one));
    main.append(panel("Propose a dividend", paying.length ? proposal(paying, id ?? paying[0].property_id) : empty("Nothing to pay out of", "A property pays dividends once it is tokenized.")));
  },
});
