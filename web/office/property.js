// One property, as all pages of it begin: its name and state, and the way to its other pages.

import { api } from "../api.js";
import { make } from "../shell/make.js";
import { badge } from "../shell/states.js";
import { has } from "./roles.js";

const PAGES = [
  { name: "Property", path: "/office/property", states: null },
  { name: "Leases and rent", path: "/office/leases", states: null },
  { name: "Income", path: "/office/income", states: null },
  { name: "Dividends", path: "/office/dividends", states: ["TOKENIZED", "LIQUIDATING", "CLOSED"] },
  { name: "Exit", path: "/office/exit", states: ["TOKENIZED", "LIQUIDATING", "CLOSED"], roles: ["ADMIN"] },
];

/** The elements that head a page of a property. */
export function propertyHead(property, who) {
  const pages = PAGES.filter(({ states, roles }) => (!states || states.includes(property.state)) && (!roles || has(who, ...roles)));
  const link = ({ name, path }) => {
    const isHere = path === location.pathname;
    return make("a", { href: `${path}#${property.property_id}`, ...(isHere ? { aria: { current: "page" } } : {}) }, name);
  };
  return [
    make("div", { class: "row" },
      make("div", { class: "title" }, make("h1", {}, property.terms.name), badge(property.state)),
      make("p", { class: "quiet" }, `${property.terms.symbol} · ${property.terms.address}`)),
    make("nav", { class: "subtabs", aria: { label: `Pages of ${property.terms.name}` } }, pages.map(link)),
  ];
}

export function propertyOf(id) {
  return api.get(`/properties/${id}`);
}

/** All that the reader may see, page by page; a manager's own only where `isOwn`. */
export async function properties(who, isOwn = false) {
  const found = [];
  let before;
  do {
    const page = await api.get("/properties", { before, limit: 100 });
    found.push(...page.properties);
    before = page.next;
  } while (before);
  return isOwn ? found.filter((each) => each.manager_id === who.user_id) : found;
}
