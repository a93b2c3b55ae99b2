// The rows of the order book and of the last trades: made once, filled on every frame.

import { make, setText } from "../shell/make.js";
import { fromUnits } from "../shell/numbers.js";
import { showTime } from "../shell/times.js";

export class Ladder {
  #asks;
  #bids;

  /** `choose` is called with a price in ticks that the reader picked. */
  constructor(count, choose) {
    this.count = count;
    this.step = 1;
    const row = () => {
      const element = make("tr", {}, make("td", {}, make("button", { type: "button", class: "price", tabIndex: -1 })), make("td"), make("td"));
      element.addEventListener("click", () => element.dataset.price && choose(Number(element.dataset.price)));
      return element;
    };
    const body = (name) => make("tbody", { class: name }, Array.from({ length: count }, row));
    const [asks, bids] = [body("asks"), body("bids")];
    this.#asks = [...asks.rows].reverse(); // the best ask stands lowest
    this.#bids = [...bids.rows];
    this.last = make("td", { colSpan: 2 }, "–");
    this.spread = make("td", { class: "quiet" });
    this.unit = make("th", { scope: "col" }, "Size");
    this.element = make("table", { class: "ladder", aria: { label: "Order book: price, size and total of each level" } },
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Price (USDC)"), this.unit, make("th", { scope: "col" }, "Total"))),
      asks, make("tbody", { class: "middle" }, make("tr", {}, this.last, this.spread)), bids);
  }

  /** `own`: the reader's open orders as {isBuy, price, quantity, ahead}, in ticks and lots. */
  show(book, own, instrument) {
    const [asks, bids] = [book.levels(false, this.count, this.step), book.levels(true, this.count, this.step)];
    const most = Math.max(asks.at(-1)?.[2] ?? 0, bids.at(-1)?.[2] ?? 0, 1);
    for (const [rows, levels, isBuy] of [[this.#asks, asks, false], [this.#bids, bids, true]]) {
      const mine = this.#mine(own, isBuy);
      rows.forEach((row, index) => this.#fill(row, levels[index], most, mine, instrument));
    }
  }

  /** The reader's quantity at each shown price, joined as the levels are. */
  #mine(own, isBuy) {
    const mine = new Map();
    for (const order of own) {
      if (order.isBuy !== isBuy) continue;
      const price = (isBuy ? Math.floor(order.price / this.step) : Math.ceil(order.price / this.step)) * this.step;
      const known = mine.get(price);
      mine.set(price, { quantity: order.quantity + (known?.quantity ?? 0), ahead: known ? Math.min(known.ahead, order.ahead) : order.ahead });
    }
    return mine;
  }

  #fill(row, level, most, mine, { priceDecimals, qtyDecimals, base }) {
    const [price, quantity, total] = level ?? [null, null, 0];
    setText(row.cells[0].firstChild, level ? fromUnits(price, priceDecimals) : "");
    row.cells[0].firstChild.hidden = !level;
    setText(row.cells[1], level ? fromUnits(quantity, qtyDecimals) : "");
    setText(row.cells[2], level ? fromUnits(total, qtyDecimals) : "");
    row.dataset.price = level ? price : "";
    const own = level && mine.get(price);
    row.classList.toggle("own", Boolean(own));
    const ahead = own && own.ahead !== null ? `, ${fromUnits(own.ahead, qtyDecimals)} ahead of it` : "";
    const title = own ? `You have ${fromUnits(own.quantity, qtyDecimals)} ${base} here${ahead}` : "";
    if (row.title !== title) row.title = title;
    const share = `${((100 * total) / most).toFixed(1)}%`;
    if (row.style.getPropertyValue("--share") !== share) row.style.setProperty("--share", share);
  }
}

export class Tape {
  #shown = 0; // the id of the newest trade that is shown

  constructor(count) {
    this.count = count;
    this.body = make("tbody");
    this.unit = make("th", { scope: "col" }, "Size");
    this.none = make("p", { class: "state-box quiet", hidden: true }, "No trade yet.");
    this.element = make("div", { class: "scroll", tabIndex: 0, role: "region", aria: { label: "Last trades" } },
      make("table", { class: "trades" },
        make("caption", { class: "unseen" }, "Last trades, the newest first"),
        make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Price"), this.unit, make("th", { scope: "col" }, "Time"))), this.body), this.none);
  }

  clear() {
    this.#shown = 0;
    this.body.replaceChildren();
  }

  /** Oldest first, as the market keeps them. A trade never changes: each row is made once, the oldest leave. */
  show(trades, instrument) {
    const added = trades.slice(-this.count).filter(({ id }) => id > this.#shown);
    this.none.hidden = trades.length > 0;
    if (!added.length) return;
    this.#shown = added.at(-1).id;
    this.body.prepend(...added.reverse().map((trade) => this.#row(trade, instrument)));
    while (this.body.rows.length > this.count) this.body.lastChild.remove();
  }

  #row({ price, quantity, timeMs, takerBuys }, { priceDecimals, qtyDecimals }) {
    const when = make("time");
    showTime(when, timeMs);
    return make("tr", { class: takerBuys ? "buy" : "sell" }, make("td", {}, fromUnits(price, priceDecimals)), make("td", {}, fromUnits(quantity, qtyDecimals)), make("td", {}, when));
  }
}
