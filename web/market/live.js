// One market as it is now: its book, its trades, its auction, and whether they can be believed.

import { toUnits } from "../shell/numbers.js";
import { Book } from "./book.js";
import { Line } from "./line.js";
import { Queues } from "./queues.js";

const TRADES_KEPT = 500;
const SNAPSHOT_RETRY_MS = [200, 500, 1_000, 2_000, 5_000];

export class LiveMarket {
  #line;
  #retry = 0;
  #snapshots = 0; // asked so far; an answer to an earlier one is late and dropped
  #failures = 0;

  /** `changed` is called whenever something here is new; `candle` with each kline event. */
  constructor(instrument, trading, websocketUrl, changed, candle = () => {}) {
    this.instrument = instrument;
    this.book = new Book(instrument.priceDecimals, instrument.qtyDecimals);
    this.trades = []; // oldest first
    this.queues = new Queues(instrument.qtyDecimals);
    this.isQueueWanted = false;
    this.auction = null; // the last event of an auction that is being called
    this.state = "connecting";
    this.interval = null;
    this.trading = trading;
    this.changed = changed;
    this.candle = candle;
    this.name = instrument.symbol.toLowerCase();
    const url = `${websocketUrl}/stream?streams=${this.name}@depth@100ms/${this.name}@trade`;
    this.#line = new Line(url, { method: "LIST_SUBSCRIPTIONS" }, {
      opened: () => this.#opened(),
      received: (message) => message.stream && this.#received(message.stream, message.data),
      state: (state) => this.#setState(state),
    });
  }

  start() {
    this.#line.start();
  }

  stop() {
    clearTimeout(this.#retry);
    this.#snapshots += 1;
    this.#line.stop();
  }

  /** Candles of this interval come from now on, and no others. */
  followCandles(interval) {
    if (this.interval) this.#line.send({ method: "UNSUBSCRIBE", params: [`${this.name}@kline_${this.interval}`] });
    this.interval = interval;
    this.#line.send({ method: "SUBSCRIBE", params: [`${this.name}@kline_${interval}`] });
  }

  /** Queues are followed only for who has an order in one: the stream has every order of the book. */
  followQueues(isWanted) {
    if (isWanted === this.isQueueWanted) return;
    this.isQueueWanted = isWanted;
    this.#line.send({ method: isWanted ? "SUBSCRIBE" : "UNSUBSCRIBE", params: [`${this.name}@l3`] });
  }

  /** What the reader should know: the line's state, or "syncing" while the book has no snapshot. */
  get shownState() {
    return this.state === "live" && !this.book.isReady ? "syncing" : this.state;
  }

  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.changed();
  }

  /** The auction's stream is asked for by itself: an exchange without auctions refuses it, and nothing else. */
  #opened() {
    this.#line.send({ method: "SUBSCRIBE", params: [`${this.name}@auction`] });
    if (this.isQueueWanted) this.#line.send({ method: "SUBSCRIBE", params: [`${this.name}@l3`] });
    if (this.interval) this.followCandles(this.interval);
    this.#startOver();
  }

  #received(stream, data) {
    if (data.e === "kline") return this.candle(data.k);
    if (data.e === "trade") {
      this.#addTrades([{ id: data.t, price: data.p, qty: data.q, time: data.T, isBuyerMaker: data.m }]);
    } else if (data.e === "depthUpdate") {
      if (!this.book.difference(data)) this.#startOver();
    } else if (stream.endsWith("@l3")) {
      this.queues.heard(data);
    } else if (stream.endsWith("@auction")) {
      this.auction = data.x === "PHASE" ? data : { ...this.auction, ...data };
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
      const [depth, trades] = await Promise.all([this.trading.depth(symbol), this.trading.trades(symbol, TRADES_KEPT)]);
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
    const known = new Set(this.trades.map((trade) => trade.id));
    const added = rows.filter((row) => !known.has(row.id)).map((row) => ({
      id: row.id,
      price: toUnits(row.price, priceDecimals),
      quantity: toUnits(row.qty, qtyDecimals),
      timeMs: row.time,
      takerBuys: !row.isBuyerMaker,
    }));
    if (added.length) this.trades = [...this.trades, ...added].sort((a, b) => a.id - b.id).slice(-TRADES_KEPT);
  }
}
