// The reader's open orders, changed and cancelled in place, and their fills up to the transaction that settled them.

import { confirmed } from "../shell/dialogs.js";
import { make, setText } from "../shell/make.js";
import { fromUnits, shown, short } from "../shell/numbers.js";
import { badge, empty } from "../shell/states.js";
import { table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { mustRise, TYPES } from "./rules.js";

const TABS = { orders: "Open orders", fills: "Fills", balances: "Balances" };

export class Orders {
  #instrument = null;
  #drawn = "";
  #editing = null; // the id of the order that is being changed: its row is left alone

  constructor(account) {
    this.account = account;
    this.tab = "orders";
    this.tabs = make("div", { class: "choices", role: "tablist", aria: { label: "Your account" } }, Object.entries(TABS).map(([key, name]) =>
      make("button", { type: "button", role: "tab", id: `tab-${key}`, aria: { selected: String(key === this.tab), controls: "own" }, on: { click: () => this.choose(key) } }, name)));
    this.all = make("button", { type: "button", class: "small", hidden: true, on: { click: () => this.#cancelAll() } }, "Cancel all");
    this.body = make("div", { id: "own", class: "scroll", role: "tabpanel", tabIndex: 0, aria: { labelledby: "tab-orders" } });
  }

  begin(instrument) {
    this.#instrument = instrument;
    this.#drawn = "";
    this.draw();
  }

  choose(tab) {
    this.tab = tab;
    for (const button of this.tabs.children) button.setAttribute("aria-selected", String(button.id === `tab-${tab}`));
    this.body.setAttribute("aria-labelledby", `tab-${tab}`);
    this.#editing = null;
    this.draw();
  }

  /** Orders of this market, the newest first. */
  get #open() {
    return [...this.account.orders.values()].filter(({ symbol }) => symbol === this.#instrument.symbol).sort((a, b) => b.timeMs - a.timeMs);
  }

  draw() {
    if (!this.#instrument || this.#editing !== null) return;
    const open = this.#open;
    const count = open.length ? ` (${open.length})` : "";
    this.tabs.firstChild.textContent = TABS.orders + count;
    this.all.hidden = this.tab !== "orders" || open.length < 2;
    const seen = JSON.stringify([this.tab, this.account.state, open, this.tab === "fills" ? this.account.fills : [...this.account.balances]]);
    if (seen === this.#drawn) return;
    this.#drawn = seen;
    this.body.replaceChildren(this.account.isReady || open.length ? this[this.tab](open) : empty("Nothing of yours to show", "Your orders, fills and balances appear here once you trade in this browser."));
  }

  orders(open) {
    const { base, priceDecimals } = this.#instrument;
    return table({
      caption: "Your open orders in this market",
      columns: [
        { name: "Side", cell: ({ side }) => make("span", { class: side === "BUY" ? "buy" : "sell" }, side === "BUY" ? "Buy" : "Sell") },
        { name: "Type", cell: kind },
        { name: "Price", cell: (order) => prices(order, priceDecimals), isNumber: true },
        { name: `Filled (${base})`, cell: filled, isNumber: true },
        { name: "Queue ahead", cell: queueOf, isNumber: true },
        { name: "Placed", cell: (order) => time(order.timeMs, "clock") },
        { name: "", cell: (order) => make("span", { class: "buttons end" },
          order.list === null && make("button", { type: "button", class: "small", aria: { label: `Change the order ${at(order)}` }, on: { click: (event) => this.#edit(order, event.target.closest("tr")) } }, "Change"),
          make("button", { type: "button", class: "small", aria: { label: `Cancel the order ${at(order)}${order.list === null ? "" : " and those that belong to it"}` }, on: { click: (event) => this.#cancel(order, event.target) } }, order.list === null ? "Cancel" : "Cancel list")) },
      ],
      rows: open,
      none: { title: "No open order", text: "An order that waits in the book stands here; change or cancel it in place." },
    });
  }

  /** What stands ahead of each order, in place: a row that is pressed must not be made anew. */
  showQueues(queues) {
    for (const place of this.body.querySelectorAll(".ahead")) {
      const lots = queues.ahead(Number(place.dataset.order));
      setText(place, lots === null ? "–" : lots === 0 ? "first" : fromUnits(lots, this.#instrument.qtyDecimals));
    }
  }

  fills() {
    const { base, priceDecimals, qtyDecimals } = this.#instrument;
    return table({
      caption: "Your fills in this market",
      columns: [
        { name: "Side", cell: ({ side }) => make("span", { class: side === "BUY" ? "buy" : "sell" }, side === "BUY" ? "Bought" : "Sold") },
        { name: "Price", cell: (fill) => shown(fill.price, priceDecimals), isNumber: true },
        { name: base, cell: (fill) => shown(fill.quantity, qtyDecimals), isNumber: true },
        { name: "USDC", cell: (fill) => shown(fill.usdc, 2), isNumber: true },
        { name: "Fee (USDC)", cell: (fill) => shown(fill.fee, 2), isNumber: true },
        { name: "Time", cell: (fill) => time(fill.timeMs, "clock") },
        { name: "Settlement", cell: (fill) => make("span", {}, badge(fill.settlement), fill.reason && fill.reason !== "NONE" ? ` ${fill.reason.toLowerCase().replaceAll("_", " ")}` : "") },
        { name: "Transaction", cell: (fill) => fill.transaction ? copyable(fill.transaction) : "–" },
      ],
      rows: this.account.fills.filter(({ symbol }) => symbol === this.#instrument.symbol),
      none: { title: "No fill yet", text: "Each fill stands here from the match to the transaction that settles it." },
    });
  }

  balances() {
    return table({
      caption: "Your balances on the exchange",
      columns: [
        { name: "Asset", cell: ([asset]) => asset },
        { name: "Free", cell: ([, { free }]) => shown(free), isNumber: true },
        { name: "Held or unsettled", cell: ([, { locked }]) => shown(locked), isNumber: true },
      ],
      rows: [...this.account.balances].filter(([, { free, locked }]) => /[1-9]/.test(free + locked)),
      none: { title: "Nothing on the exchange", text: "Deposit USDC or lock tokens to trade.", action: make("a", { class: "button primary", href: "/invest/funds" }, "Bring funds") },
    });
  }

  async #cancel(order, button) {
    button.disabled = true;
    try {
      await this.account.cancel(order);
    } catch (problem) {
      toast(problem.message, "bad");
      button.disabled = false;
    }
  }

  async #cancelAll() {
    const { symbol, base } = this.#instrument;
    if (!await confirmed("Cancel all open orders?", `Every open order of yours in ${base} is cancelled.`, "Cancel them all", true)) return;
    await this.account.cancelAll(symbol).catch((problem) => toast(problem.message, "bad"));
  }

  /** Prices and quantity become fields in the row itself; Enter sends, Escape leaves. */
  #edit(order, row) {
    this.#editing = order.orderId;
    const { base } = this.#instrument;
    const cell = (name) => [...row.cells].find(({ dataset }) => dataset.name === name);
    const field = (key, label) => make("input", { name: key, value: order[key], inputMode: "decimal", aria: { label } });
    const wanted = [
      ...(TYPES[order.type].hasPrice ? [field("price", "New price in USDC")] : []),
      ...(order.waits ? [field("stopPrice", "New stop price in USDC")] : []),
      field("quantity", `New quantity in ${base}, with what is filled`),
    ];
    const save = make("button", { type: "button", class: "small primary" }, "Save");
    const leave = make("button", { type: "button", class: "small" }, "Leave");
    const done = () => {
      this.#editing = null;
      this.#drawn = "";
      this.draw();
    };
    const send = async () => {
      save.disabled = true;
      try {
        const isReplaced = await this.account.amend(order, Object.fromEntries(wanted.map(({ name, value }) => [name, value.trim()])));
        toast(isReplaced ? "Replaced: the new order stands behind those at its price." : "Changed; a smaller order keeps its place.", "good");
        done();
      } catch (problem) {
        toast(problem.message, "bad");
        save.disabled = false;
      }
    };
    if (wanted.length > 1) cell("Price").replaceChildren(make("span", { class: "fields" }, wanted.slice(0, -1)));
    cell(`Filled (${base})`).replaceChildren(wanted.at(-1));
    cell("").replaceChildren(make("span", { class: "buttons end" }, save, leave));
    save.addEventListener("click", send);
    leave.addEventListener("click", done);
    row.classList.add("editing");
    row.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" && event.target.tagName === "INPUT") send();
      if (event.key === "Escape") done();
    });
    wanted[0].focus();
    wanted[0].select();
  }
}

/** What an order is, and below it the list that it ends with. */
function kind({ type, inForce, list }) {
  const name = TYPES[type].name + (inForce === "GTC" || !TYPES[type].hasPrice ? "" : ` ${inForce}`);
  return make("span", {}, name, list !== null && make("small", {}, `list ${list}`));
}

/** The limit, and below it what the last price has to reach, if anything. */
function prices(order, priceDecimals) {
  const { hasPrice, hasStop } = TYPES[order.type];
  const stop = hasStop && make("small", {}, `stop ${mustRise(order) ? "≥" : "≤"} ${shown(order.stopPrice, priceDecimals)}`);
  return make("span", {}, hasPrice ? shown(order.price, priceDecimals) : "Market", stop);
}

/** How much of all; below it what an iceberg shows at a time. */
function filled({ executed, quantity, display }) {
  return make("span", {}, `${shown(executed)} of ${shown(quantity)}`, display && make("small", {}, `shows ${shown(display)}`));
}

/** Where an order stands: outside of the book until it is triggered; then behind others, if that can be known. */
function queueOf(order) {
  if (order.isPending) return badge("PENDING", "After the first");
  if (order.waits) return badge("WAITING");
  return TYPES[order.type].hasStop ? badge("OPEN", "Triggered") : make("span", { class: "ahead", data: { order: order.orderId } }, "–");
}

/** Which of the orders a button is for. */
function at({ type, price, stopPrice }) {
  return TYPES[type].hasPrice ? `at ${price}` : `with the stop price ${stopPrice}`;
}

/** A transaction's hash, short; pressed, the whole is in the clipboard. */
export function copyable(hash) {
  return make("button", { type: "button", class: "link-button mono", title: `Copy the transaction ${hash}`, on: { click: async () => {
    await navigator.clipboard.writeText(hash);
    toast("The transaction's hash is in your clipboard.");
  } } }, short(hash));
}
