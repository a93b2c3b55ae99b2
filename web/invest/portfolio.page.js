// The portfolio: cash and tokens, what is free, held and unsettled, and statements to keep.

import { make } from "../shell/make.js";
import { short, shown, usdc } from "../shell/numbers.js";
import { openPage } from "../shell/page.js";
import { form } from "../shell/forms.js";
import { badge, fill } from "../shell/states.js";
import { download, panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { holdings } from "./holdings.js";
import { statement, statementCsv, statementPdf } from "./statement.js";

const EVERY_MS = 10_000;
const number = (text) => (/[1-9]/.test(text) ? shown(text) : "0");

function figure(name, value, more) {
  return make("div", { class: "figure" }, make("span", { class: "quiet" }, name), make("span", { class: "big" }, value), make("span", { class: "quiet" }, more));
}

function cashTable({ wallets }) {
  return table({
    caption: "Cash by wallet, in USDC",
    columns: [
      { name: "Wallet", cell: ({ wallet }) => make("code", { title: wallet }, short(wallet)) },
      { name: "Free", cell: ({ cash }) => shown(cash.free, 2), isNumber: true },
      { name: "Held by orders", cell: ({ cash }) => shown(cash.held, 2), isNumber: true },
      { name: "Unsettled in", cell: ({ cash }) => shown(cash.owed_in, 2), isNumber: true },
      { name: "Unsettled out", cell: ({ cash }) => shown(cash.owed_out, 2), isNumber: true },
      { name: "Asked back", cell: ({ cash }) => shown(cash.requested, 2), isNumber: true },
      { name: "In the wallet", cell: ({ cash }) => cash.outside === null ? "–" : shown(cash.outside, 2), isNumber: true },
      { name: "Exchange", cell: ({ is_open: isOpen }) => badge(isOpen ? "OPEN" : "WAITING") },
    ],
    rows: wallets,
    none: { title: "No wallet is linked", text: "Link one to hold cash and tokens.", action: make("a", { class: "button primary", href: "/account/wallets" }, "Link a wallet") },
  });
}

function tokenTable({ tokens }) {
  return table({
    caption: "Tokens",
    columns: [
      { name: "Property", cell: ({ base, market }) => market ? make("a", { href: `/market#${market.symbol}` }, market.name) : base },
      { name: "Free", cell: ({ free }) => number(free), isNumber: true },
      { name: "Held by orders", cell: ({ held }) => number(held), isNumber: true },
      { name: "Unsettled in", cell: ({ owed_in: owed }) => number(owed), isNumber: true },
      { name: "Unsettled out", cell: ({ owed_out: owed }) => number(owed), isNumber: true },
      { name: "Asked back", cell: ({ requested }) => number(requested), isNumber: true },
      { name: "In the wallet", cell: ({ outside }) => number(outside), isNumber: true },
      { name: "Last price (USDC)", cell: ({ price }) => price ? shown(price, 2) : "–", isNumber: true },
      { name: "Worth (USDC)", cell: ({ worth }) => worth ? shown(worth.replace(/\d{4}$/, ""), 2) : "–", isNumber: true },
    ],
    rows: tokens.filter(({ total, owed_in: owed }) => /[1-9]/.test(total + owed)),
    none: { title: "No token yet", text: "Buy in a first sale or on a market.", action: make("a", { class: "button primary", href: "/invest/properties" }, "See the properties") },
  });
}

function lockUpTable({ lockUps }) {
  return table({
    caption: "What you bought from an issuer and may not sell yet",
    columns: [
      { name: "Property", cell: ({ base, market }) => market ? make("a", { href: `/market#${market.symbol}` }, market.name) : base },
      { name: "Locked up", cell: ({ qty }) => number(qty), isNumber: true },
      { name: "Until", cell: ({ released_at: until }) => time(until) },
    ],
    rows: lockUps,
  });
}

function statements(who) {
  const now = new Date();
  const day = (date) => date.toISOString().slice(0, 10);
  return form({
    fields: [
      { name: "from", label: "From", type: "date", value: `${now.getUTCFullYear()}-01-01` },
      { name: "to", label: "Up to", type: "date", value: day(now) },
      { name: "as", label: "As", type: "select", options: [["csv", "CSV, for a spreadsheet"], ["pdf", "PDF, to keep"]] },
    ],
    submit: "Make a statement",
    isInline: true,
    kind: "",
    async send({ from, to, as }) {
      const made = await statement(who, from, to);
      const name = `deedbook-statement-${from}-${to}.${as}`;
      if (as === "csv") download(name, statementCsv(made), "text/csv");
      else download(name, statementPdf(made), "application/pdf");
      toast(`${name} is in your downloads.`, "good");
    },
  });
}

openPage({
  title: "Portfolio",
  async show(main, who) {
    const body = make("div", { class: "column" });
    main.append(body, panel("Statements", [
      make("p", { class: "quiet" }, "Trades, purchases and dividends of the days that you choose (UTC), and what you hold now. Made in your browser."), statements(who)]));
    const draw = () => fill(body, holdings, (mine) => [
      make("div", { class: "figures" },
        figure("Worth in all", usdc(mine.worth), "at the last prices"),
        figure("Cash", usdc(mine.cash.total), `${usdc(mine.cash.free)} free on the exchange`),
        figure("Unsettled", usdc(mine.cash.owed_out), "goes out when trades are final"),
        figure("Properties", String(mine.tokens.filter(({ total }) => /[1-9]/.test(total)).length), "that you hold tokens of")),
      panel("Tokens", tokenTable(mine)),
      ...(mine.lockUps.length ? [panel("Lock-up", lockUpTable(mine))] : []),
      panel("Cash", cashTable(mine)),
    ]);
    addEventListener("deedbook-message", draw);
    setInterval(() => document.visibilityState === "visible" && draw(), EVERY_MS);
    await draw();
  },
});
