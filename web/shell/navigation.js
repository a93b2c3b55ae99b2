// What stands in the bar, by role: a section is shown to who has one of its roles (none: to everybody).

const INVESTORS = ["INVESTOR"];
const MANAGERS = ["PROPERTY_MANAGER"];
const TENANTS = ["TENANT"];
const ADMINS = ["ADMIN"];
const OFFICERS = ["COMPLIANCE_OFFICER"];
const OPERATORS = ["SETTLEMENT_OPERATOR"];

/** A page may narrow its section's roles. The first page that a reader may see is where the section's name leads. */
export const SECTIONS = [
  { name: "Markets", pages: [{ name: "Markets", path: "/" }, { name: "Market", path: "/market", isHidden: true }] },
  {
    name: "Invest",
    pages: [
      { name: "Properties", path: "/invest/properties" },
      { name: "Property", path: "/invest/property", isHidden: true },
      { name: "Portfolio", path: "/invest/portfolio", roles: INVESTORS },
      { name: "Cash and tokens", path: "/invest/funds", roles: INVESTORS },
      { name: "Orders and trades", path: "/invest/activity", roles: INVESTORS },
      { name: "Dividends", path: "/invest/dividends", roles: INVESTORS },
    ],
  },
  {
    name: "Manage",
    roles: MANAGERS,
    pages: [
      { name: "Properties", path: "/office/properties" },
      { name: "Draft", path: "/office/draft", isHidden: true },
      { name: "Property", path: "/office/property", isHidden: true },
      { name: "Leases and rent", path: "/office/leases", isHidden: true },
      { name: "Income", path: "/office/income", isHidden: true },
      { name: "Dividends", path: "/office/dividends" },
      { name: "Dividend", path: "/office/dividend", isHidden: true },
    ],
  },
  { name: "Rent", roles: TENANTS, pages: [{ name: "Rent", path: "/office/rent" }] },
  {
    name: "Run",
    roles: [...ADMINS, ...OFFICERS, ...OPERATORS],
    pages: [
      { name: "Approvals", path: "/office/approvals" },
      { name: "Properties", path: "/office/properties", roles: ADMINS },
      { name: "Property", path: "/office/property", roles: ADMINS, isHidden: true },
      { name: "Leases and rent", path: "/office/leases", roles: ADMINS, isHidden: true },
      { name: "Income", path: "/office/income", roles: ADMINS, isHidden: true },
      { name: "Exit", path: "/office/exit", roles: ADMINS, isHidden: true },
      { name: "Dividends", path: "/office/dividends", roles: [...ADMINS, ...OPERATORS] },
      { name: "Dividend", path: "/office/dividend", roles: [...ADMINS, ...OPERATORS], isHidden: true },
      { name: "Compliance", path: "/office/compliance", roles: [...ADMINS, ...OFFICERS] },
      { name: "Controls", path: "/office/controls" },
      { name: "Market rules", path: "/office/rules", isHidden: true },
      { name: "Settlement", path: "/office/settlement", roles: [...ADMINS, ...OPERATORS] },
      { name: "Reserves", path: "/office/reserves", roles: [...ADMINS, ...OPERATORS] },
      { name: "Live", path: "/office/live", roles: [...ADMINS, ...OPERATORS] },
      { name: "Jobs", path: "/office/jobs", roles: [...ADMINS, ...OPERATORS] },
      { name: "People", path: "/office/people", roles: [...ADMINS, ...OFFICERS] },
      { name: "Audit", path: "/office/audit", roles: [...ADMINS, ...OFFICERS] },
    ],
  },
  {
    name: "Account",
    isInMenu: true,
    pages: [
      { name: "Getting started", path: "/account/start" },
      { name: "Identity", path: "/account/identity" },
      { name: "Wallets", path: "/account/wallets" },
      { name: "Security", path: "/account/security" },
      { name: "API keys", path: "/account/keys" },
      { name: "Messages", path: "/account/messages" },
    ],
  },
];

function isFor(roles, held) {
  return !roles || roles.some((role) => held.includes(role));
}

/** The sections that somebody with `held` roles sees, each with its `pages` that they may see, hidden ones too. */
export function sectionsFor(held, isSignedIn) {
  return SECTIONS.filter((section) => isFor(section.roles, held) && (isSignedIn || !section.isInMenu))
    .map((section) => ({ ...section, pages: section.pages.filter((page) => isFor(page.roles, held)) }))
    .filter((section) => section.pages.some((page) => !page.isHidden));
}

/** The tab of a page: its own or, as a hidden page belongs to the one that stands before it, that one's. */
export function tabOf(pages, path) {
  return pages.slice(0, pages.findIndex((page) => page.path === path) + 1).findLast((page) => !page.isHidden);
}
