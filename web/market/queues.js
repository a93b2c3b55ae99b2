// Every resting order in the order of its queue, by the stream @l3: how much stands ahead of one.

import { toUnits } from "../shell/numbers.js";

export class Queues {
  #levels = new Map(); // by side and price: orders in the order of their queue, by id, each with its lots
  #places = new Map(); // of an order: its level

  constructor(qtyDecimals) {
    this.qtyDecimals = qtyDecimals;
  }

  /** An event of the stream. */
  heard(event) {
    if (event.e === "l3Snapshot") {
      this.#levels.clear();
      this.#places.clear();
      for (const [side, rows] of [["B", event.bids], ["S", event.asks]]) {
        for (const [id, price, quantity] of rows) this.#add(id, side, price, quantity);
      }
      return;
    }
    for (const [what, id, ...rest] of event.c) {
      if (what === "A") this.#add(id, ...rest);
      else if (what === "M") this.#places.get(id)?.set(id, toUnits(rest[0], this.qtyDecimals)); // it keeps its place
      else if (what === "D") this.#remove(id);
    }
  }

  /** Lots ahead of an order; null where it is not known. */
  ahead(id) {
    const level = this.#places.get(id);
    if (!level) return null;
    let lots = 0;
    for (const [other, quantity] of level) {
      if (other === id) break;
      lots += quantity;
    }
    return lots;
  }

  #add(id, side, price, quantity) {
    const name = side + price;
    const level = this.#levels.get(name) ?? new Map();
    this.#levels.set(name, level);
    level.set(id, toUnits(quantity, this.qtyDecimals));
    this.#places.set(id, level);
  }

  #remove(id) {
    this.#places.get(id)?.delete(id);
    this.#places.delete(id);
  }
}
