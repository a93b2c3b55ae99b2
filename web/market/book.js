// An order book kept from a snapshot and the differences since, by the trading API's rules:
// differences wait until a snapshot is there; those up to its lastUpdateId are dropped; the first that counts must reach
// back to it; and each later one must begin where the one before ended. Anything else is a gap, and the book starts over.

import { toUnits } from "../shell/numbers.js";

const WAITING_MAX = 2000;

export class Book {
  #order = new Map(); // of each side that was asked for since it changed

  /** Prices and quantities are whole units of these decimals. */
  constructor(priceDecimals, qtyDecimals) {
    this.priceDecimals = priceDecimals;
    this.qtyDecimals = qtyDecimals;
    this.startOver();
  }

  startOver() {
    this.#order.clear();
    this.bids = new Map();
    this.asks = new Map();
    this.updateId = null; // null: no snapshot yet
    this.waiting = [];
  }

  get isReady() {
    return this.updateId !== null;
  }

  /** A depthUpdate event. False: there is a gap, and nothing was changed; start over and ask for a snapshot. */
  difference(event) {
    if (!this.isReady) {
      if (this.waiting.length === WAITING_MAX) this.waiting.shift(); // the snapshot will then be too old, and asked again
      this.waiting.push(event);
      return true;
    }
    if (event.u <= this.updateId) return true;
    if (event.U > this.updateId + 1) return false;
    this.#change(this.bids, event.b);
    this.#change(this.asks, event.a);
    this.updateId = event.u;
    return true;
  }

  /** The snapshot. False: it is older than the differences that wait, ask for another. */
  snapshot(snapshot) {
    const first = this.waiting.find((event) => event.u > snapshot.lastUpdateId);
    if (first && first.U > snapshot.lastUpdateId + 1) return false;
    const waiting = this.waiting;
    this.startOver();
    this.#change(this.bids, snapshot.bids);
    this.#change(this.asks, snapshot.asks);
    this.updateId = snapshot.lastUpdateId;
    return waiting.every((event) => this.difference(event));
  }

  /** The best `count` levels as [price, quantity, total up to here]; `step` joins prices, away from the middle. */
  levels(isBuy, count, step = 1) {
    const levels = [];
    let total = 0;
    for (const [price, quantity] of this.#sorted(isBuy)) {
      const joined = (isBuy ? Math.floor(price / step) : Math.ceil(price / step)) * step;
      const last = levels.at(-1);
      if (last?.[0] !== joined) {
        if (levels.length === count) break;
        levels.push([joined, 0, total]);
      }
      total += quantity;
      levels.at(-1)[1] += quantity;
      levels.at(-1)[2] = total;
    }
    return levels;
  }

  /** A side, best first; sorted once after each change. */
  #sorted(isBuy) {
    const side = isBuy ? this.bids : this.asks;
    let sorted = this.#order.get(side);
    if (!sorted) {
      sorted = [...side].sort(([a], [b]) => (isBuy ? b - a : a - b));
      this.#order.set(side, sorted);
    }
    return sorted;
  }

  #change(side, rows) {
    this.#order.delete(side);
    for (const [price, quantity] of rows) {
      const units = toUnits(quantity, this.qtyDecimals);
      const ticks = toUnits(price, this.priceDecimals);
      if (units === 0) side.delete(ticks);
      else side.set(ticks, units);
    }
  }
}
