// One market as it is now: its book, its trades, and whether they can be believed.

import { Book } from "./book.js";
import { toUnits } from "../shell/numbers.js";
import { Feed } from "./feed.js";

const TRADES_KEPT = 500;
const SNAPSHOT_RETRY_MS = [200, 500, 1_000, 2_000, 5_000];

export class LiveMarket {
  #feed;
  #retry = 0;
  #snapshots = 0; // asked so far; an answer to an earlier one is late and dropped
  #failures = 0;

  /** `changed` is called whenever something here is new. */
  constructor(instrument, api, websocketUrl, changed) {
    this.instrument = instrument;
    this.book = new Book(instrument.priceDecimals, instrument.qtyDecimals);
    this.trades = []; // oldest first
    this.state = "connecting";
    this.api = api;
    this.changed = changed;
    const name = instrument.symbol.toLowerCase();
    this.#feed = new Feed(websocketUrl, [`${name}@depth@100ms`, `${name}@trade`], {
      opened: () => this.#startOver(),
      received: (stream, data) => this.#received(stream, data),
      state: (state) => this.#setState(state),
    });
  }

  start() {
    this.#feed.start();
  }

  stop() {
    clearTimeout(this.#retry);
    this.#snapshots += 1;
    this.#feed.stop();
  }

  /** What the reader should know: the feed's state, or "syncing" while the book has no snapshot. */
  get shownState() {
    return this.state === "live" && !this.book.isReady ? "syncing" : this.state;
  }

  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.changed();
  }

  #received(stream, data) {
    if (stream.endsWith("@trade")) {
      this.#addTrades([{ id: data.t, price: data.p, qty: data.q, time: data.T, isBuyerMaker: data.m }]);
    } else if (!this.book.difference(data)) {
      this.#startOver();
    }
    this.changed();
  }

  #startOver() {
    clearTimeout(this.#retry);
    this.book.startOver();
    this.#failures = 0;
    this.#snapshot();
    this.changed();
  }

  async #snapshot() {
    const number = ++this.#snapshots;
    let isDone = false;
    try {
      const { symbol } = this.instrument;
      const [depth, trades] = await Promise.all([this.api.depth(symbol), this.api.trades(symbol, TRADES_KEPT)]);
      if (number !== this.#snapshots) return;
      isDone = this.book.snapshot(depth);
      if (!isDone && this.book.isReady) this.book.startOver();
      this.#addTrades(trades);
    } catch (error) {
      console.warn(`the book of ${this.instrument.symbol} is not there yet:`, error.message);
    }
    if (number !== this.#snapshots) return;
    if (!isDone) {
      const waitMs = SNAPSHOT_RETRY_MS[Math.min(this.#failures, SNAPSHOT_RETRY_MS.length - 1)];
      this.#failures += 1;
      this.#retry = setTimeout(() => this.#snapshot(), waitMs);
    }
    this.changed();
  }

  /** Trades come twice where the snapshot and the stream overlap; ids are dense and never used again. */
  #addTrades(rows) {
    const { priceDecimals, qtyDecimals } = this.instrument;
    const known = new Map(this.trades.map((trade) => [trade.id, trade]));
    for (const row of rows) {
      if (known.has(row.id)) continue;
      known.set(row.id, {
        id: row.id,
        price: toUnits(row.price, priceDecimals),
        quantity: toUnits(row.qty, qtyDecimals),
        timeMs: row.time,
        takerBuys: !row.isBuyerMaker,
      });
    }
    this.trades = [...known.values()].sort((a, b) => a.id - b.id).slice(-TRADES_KEPT);
  }
}
