// Orders, trades with their way to the chain, and purchases of first sales.

import { api } from "../api.js";
import { make } from "../shell/make.js";
import { TYPES } from "../market/rules.js";
import { shown, short, usdc } from "../shell/numbers.js";
import { openPage } from "../shell/page.js";
import { badge, fill } from "../shell/states.js";
import { panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";

const side = (each) => make("span", { class: each.side === "BUY" ? "buy" : "sell" }, each.side === "BUY" ? "Buy" : "Sell");
const market = (each) => make("a", { href: `/market#${each.symbol}` }, each.symbol);
const transaction = (each) => each.transaction ? make("code", { title: each.transaction }, short(each.transaction)) : "–";

function trades(rows) {
  return table({
    caption: "Trades",
    columns: [
      { name: "Market", cell: market }, { name: "Side", cell: side },
      { name: "Tokens", cell: (each) => shown(each.qty), isNumber: true },
      { name: "Price (USDC)", cell: (each) => shown(each.price, 2), isNumber: true },
      { name: "USDC", cell: (each) => shown(each.usdc, 2), isNumber: true },
      { name: "Fee (USDC)", cell: (each) => shown(each.fee_usdc, 2), isNumber: true },
      { name: "Traded", cell: (each) => time(each.traded_at) },
      { name: "Settlement", cell: (each) => make("span", {}, badge(each.settlement), each.reason ? ` ${each.reason.toLowerCase().replaceAll("_", " ")}` : "") },
      { name: "Transaction", cell: transaction },
    ],
    rows,
    none: { title: "No trade yet", text: "Each trade stands here, from the match to the transaction that settles it." },
  });
}

function orders(rows) {
  return table({
    caption: "Orders",
    columns: [
      { name: "Market", cell: market }, { name: "Side", cell: side },
      { name: "Type", cell: ({ type, time_in_force: inForce }) => TYPES[type].name + (TYPES[type].hasPrice ? `, ${inForce}` : "") },
      { name: "Price (USDC)", cell: (each) => each.price ? shown(each.price, 2) : "Market", isNumber: true },
      { name: "Filled", cell: (each) => `${shown(each.executed_qty)} of ${/[1-9]/.test(each.qty) ? shown(each.qty) : usdc(each.quote_qty)}`, isNumber: true },
      { name: "Placed", cell: (each) => time(each.created_at) },
      { name: "State", cell: (each) => make("span", {}, badge(each.status), each.reason ? ` ${each.reason.toLowerCase().replaceAll("_", " ")}` : "") },
    ],
    rows,
    none: { title: "No order yet", text: "Place one on a market.", action: make("a", { class: "button primary", href: "/" }, "See the markets") },
  });
}

function purchases(rows) {
  return table({
    caption: "Purchases in first sales",
    columns: [
      { name: "Property", cell: (each) => make("a", { href: `/invest/property#${each.property_id}` }, "Property") },
      { name: "Tokens", cell: (each) => shown(each.qty), isNumber: true },
      { name: "Paid", cell: (each) => usdc(each.usdc), isNumber: true },
      { name: "Bought", cell: (each) => time(each.bought_at ?? each.created_at) },
      { name: "State", cell: (each) => badge(each.state) },
      { name: "Transaction", cell: transaction },
    ],
    rows,
    none: { title: "No purchase yet", text: "What you buy from an issuer stands here with its receipt." },
  });
}

openPage({
  title: "Orders and trades",
  needs: ["INVESTOR"],
  async show(main) {
    const places = [["Trades", "/marketplace/trades", trades], ["Orders", "/marketplace/orders", orders], ["First sales", "/marketplace/purchases", purchases]]
      .map(([title, path, show]) => ({ path, show, place: make("div", { class: "flush" }), title }));
    main.append(...places.map(({ title, place }) => panel(title, place)));
    const draw = () => Promise.all(places.map(({ path, show, place }) => fill(place, () => api.get(path, { limit: 50 }), show)));
    addEventListener("deedbook-message", draw);
    await draw();
  },
});
