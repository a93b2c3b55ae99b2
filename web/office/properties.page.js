// The properties that a manager has, or all of them for an admin.

import { make } from "../shell/make.js";
import { tokens, usdc } from "../shell/numbers.js";
import { openOffice } from "./open.js";
import { badge } from "../shell/states.js";
import { panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { properties } from "./property.js";
import { has } from "./roles.js";
import { watch } from "./watch.js";

function draftLink() {
  return make("a", { class: "button primary", href: "/office/draft" }, "Draft a property");
}

function show(who) {
  const isManager = has(who, "PROPERTY_MANAGER");
  return (found) => table({
    caption: "Properties, the newest first",
    rows: found,
    columns: [
      { name: "Property", cell: (each) => make("a", { href: `/office/property#${each.property_id}` }, each.terms.name) },
      { name: "Symbol", cell: (each) => each.terms.symbol },
      { name: "State", cell: (each) => badge(each.state) },
      { name: "Valuation", cell: (each) => usdc(each.terms.valuation_usdc), isNumber: true },
      { name: "Supply", cell: (each) => tokens(each.terms.supply_tokens, "tokens"), isNumber: true },
      { name: "Changed", cell: (each) => time(each.changed_at) },
    ],
    none: isManager
      ? { title: "You have no property yet", text: "Draft one: its terms can be changed until you hand it in for approval.", action: draftLink() }
      : { title: "No property yet", text: "Managers draft them; you see each as soon as it is there." },
  });
}

openOffice({
  title: "Properties",
  needs: ["PROPERTY_MANAGER", "ADMIN"],
  isTitled: false,
  async show(main, who) {
    const isManager = has(who, "PROPERTY_MANAGER");
    const isAdmin = has(who, "ADMIN");
    const list = make("div");
    main.append(
      make("div", { class: "row" }, make("h1", {}, "Properties"), isManager && draftLink()),
      panel(isAdmin ? "All properties" : "Your properties", list),
    );
    watch(list, () => properties(who, !isAdmin), show(who));
  },
});
