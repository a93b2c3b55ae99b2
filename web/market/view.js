// The parts of the market page and what flows between them; everything is drawn once a frame at most.

import { api } from "../api.js";
import { make, setText } from "../shell/make.js";
import { change, fromUnits, percent, shown, toUnits } from "../shell/numbers.js";
import { empty, words } from "../shell/states.js";
import { zoneName } from "../shell/times.js";
import { Account } from "./account.js";
import { Auction } from "./auction.js";
import { Candles } from "./candles.js";
import { Depth } from "./depth.js";
import { KEYS, listen } from "./keyboard.js";
import { Ladder, Tape } from "./ladder.js";
import { LiveMarket } from "./live.js";
import { Orders } from "./orders.js";
import { Ticket } from "./ticket.js";
import { Trading } from "./trading.js";
import { CALLED, PHASES, yieldOf } from "./words.js";

const LEVELS = 10;
const TRADES_SHOWN = 60;
const STEPS = [1, 5, 10, 50, 100];
const LIST_EVERY_MS = 10_000;
const STATES = {
  connecting: "Connecting",
  live: "Live",
  syncing: "Loading the book",
  stale: "Stale: nothing received",
  lost: "Disconnected, trying again",
};

/** A block of the page: its title, something at its right, and what it holds. */
function block(name, title, content, aside) {
  return make("section", { class: `panel ${name}`, "aria-label": title }, make("div", { class: "head" }, make("h2", {}, title), aside), content);
}

export class MarketView {
  #isDrawing = false;
  #live = null;
  #markets = new Map();
  #instruments = [];
  #day = new Map();

  constructor(restUrl, websocketUrl, who) {
    this.trading = new Trading(restUrl);
    this.websocketUrl = websocketUrl;
    this.who = who;
    this.account = new Account(websocketUrl, who, () => this.#draw());
    this.select = make("select", { id: "symbol", aria: { label: "Market" }, on: { change: () => this.#choose(this.select.value) } });
    this.step = make("select", { aria: { label: "Price step of the order book" }, on: { change: () => this.#setStep() } });
    this.state = make("span", { class: "feed", role: "status" });
    this.phase = make("span", { class: "badge" });
    this.last = make("output", { class: "last", aria: { label: "Last price" } }, "–");
    this.figures = Object.fromEntries(["change", "high", "low", "volume", "spread", "yield"].map((name) => [name, make("dd", {}, "–")]));
    this.ladder = new Ladder(LEVELS, (ticks) => this.ticket.setPrice(ticks));
    this.tape = new Tape(TRADES_SHOWN);
    this.candles = new Candles(this.trading);
    this.depth = new Depth();
    this.auction = new Auction();
    this.ticket = new Ticket(this.account, who);
    this.orders = new Orders(this.account);
    this.name = make("span", { class: "quiet name" });
    this.element = this.#layout();
  }

  #layout() {
    const figure = (name, key) => make("div", {}, make("dt", {}, name), this.figures[key]);
    const keys = make("details", { class: "keys" }, make("summary", {}, "Keys"), make("dl", { class: "dropped" }, KEYS.map(([key, text]) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, text)))));
    return make("div", { class: "market", data: { feed: "connecting" } },
      make("div", { class: "strip panel" },
        make("div", { class: "which" }, this.select, this.name),
        make("div", { class: "price-now" }, this.last, make("span", { class: "quiet" }, "USDC")),
        make("dl", { class: "day" }, figure("24 h change", "change"), figure("24 h high", "high"), figure("24 h low", "low"), figure("24 h volume", "volume"), figure("Spread", "spread"), figure("Yield, 12 months", "yield")),
        make("div", { class: "how" }, keys, this.phase, this.state)),
      this.auction.element,
      block("chart", "Price", this.candles.element, this.candles.buttons),
      block("book", "Order book", make("div", { class: "ladder-box" }, this.ladder.element), make("label", { class: "quiet" }, "Step ", this.step)),
      make("div", { class: "side" }, block("order", "Order", this.ticket.element), block("depth", "Depth", this.depth.element)),
      block("own", "Yours", this.orders.body, make("div", { class: "row" }, this.orders.tabs, this.orders.all)),
      block("tape", "Trades", this.tape.element, make("span", { class: "quiet" }, zoneName().split(",")[0])),
      make("p", { class: "quiet credit" }, "Charts by ", make("a", { href: "https://www.tradingview.com", rel: "noopener" }, "TradingView"), " Lightweight Charts and uPlot"));
  }

  async start() {
    this.candles.begin();
    listen(this);
    addEventListener("hashchange", () => this.#choose(decodeURIComponent(location.hash.slice(1))));
    await this.#list();
    if (this.who) await this.account.open();
    this.#draw();
  }

  stop() {
    this.#live?.stop();
  }

  /** Instruments, their phases and their day, asked again now and then as they change. */
  async #list() {
    try {
      const [instruments, markets, day] = await Promise.all([this.trading.instruments(), api.get("/markets"), this.trading.day().catch(() => new Map())]);
      this.#instruments = instruments;
      this.#markets = new Map(markets.map((market) => [market.symbol, market]));
      this.#day = day;
      const known = new Set([...this.select.options].map((option) => option.value));
      for (const { symbol, base } of instruments) {
        if (!known.has(symbol)) this.select.append(new Option(`${base} / USDC`, symbol));
      }
      if (!this.#live) this.#choose(decodeURIComponent(location.hash.slice(1)));
      const current = instruments.find(({ symbol }) => symbol === this.#live?.instrument.symbol);
      if (current) this.#live.instrument.status = current.status;
      if (!instruments.length) this.element.replaceChildren(empty("No property is listed yet", "The first market opens here as soon as a property is tokenized."));
    } catch (problem) {
      if (!this.#live) throw problem;
    }
    setTimeout(() => this.#list(), LIST_EVERY_MS);
    this.#draw();
  }

  async #choose(symbol) {
    const instrument = this.#instruments.find((each) => each.symbol === symbol) ?? this.#instruments[0];
    const market = this.#markets.get(instrument?.symbol);
    if (!instrument || !market || this.#live?.instrument.symbol === instrument.symbol) return;
    this.#live?.stop();
    this.select.value = instrument.symbol;
    history.replaceState(null, "", `#${instrument.symbol}`);
    const { property } = market;
    this.name.replaceChildren(property ? make("a", { href: `/invest/property#${property.property_id}` }, market.name) : market.name);
    setText(this.ladder.unit, `Size (${instrument.base})`);
    setText(this.tape.unit, `Size (${instrument.base})`);
    const tick = toUnits(instrument.tickSize, instrument.priceDecimals);
    this.step.replaceChildren(...STEPS.map((count) => new Option(fromUnits(tick * count, instrument.priceDecimals), String(tick * count))));
    this.#live = new LiveMarket(instrument, this.trading, this.websocketUrl, () => this.#draw(), (kline) => this.candles.update(kline));
    this.tape.clear();
    this.#setStep();
    this.orders.begin(instrument);
    this.ticket.begin(instrument, market, null);
    this.#live.start();
    this.candles.show(this.#live);
    if (this.who) this.#permit(instrument, market);
    this.fillsOf = null;
  }

  async #permit(instrument, market) {
    const permission = await api.get(`/markets/${instrument.symbol}/permission`).catch(() => null);
    if (this.#live?.instrument === instrument && permission) this.ticket.begin(instrument, market, permission);
  }

  #setStep() {
    this.ladder.step = Number(this.step.value) || 1;
    this.#draw();
  }

  #draw() {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame((now) => {
      this.#isDrawing = false;
      if (this.#live) this.#show(this.#live, now);
    });
  }

  #show(live, now) {
    const { book, trades, instrument, shownState } = live;
    this.element.dataset.feed = shownState;
    setText(this.state, STATES[shownState]);
    setText(this.phase, PHASES[instrument.status] ?? words(instrument.status));
    this.phase.classList.toggle("busy", instrument.status !== "TRADING");
    const [bid, ask] = [book.levels(true, 1)[0]?.[0] ?? null, book.levels(false, 1)[0]?.[0] ?? null];
    this.#showPrice(trades, bid, ask, instrument);
    const own = this.#own(live);
    live.followQueues(own.length > 0);
    this.ladder.show(book, own, instrument);
    this.tape.show(trades, instrument);
    this.depth.show(book, instrument, now);
    this.auction.show(live.auction, CALLED.includes(instrument.status), instrument);
    this.ticket.follow(bid, ask, trades.at(-1)?.price ?? null, instrument.status);
    this.#showAccount(live);
  }

  #showPrice(trades, bid, ask, { symbol, base, priceDecimals }) {
    const last = trades.at(-1);
    const before = last && (trades.findLast((trade) => trade.price !== last.price)?.price ?? last.price);
    const text = last ? fromUnits(last.price, priceDecimals) : "–";
    const direction = !last || last.price === before ? "" : last.price > before ? "up" : "down";
    this.last.className = `last ${direction}`;
    this.ladder.last.className = direction;
    setText(this.last, text);
    setText(this.ladder.last, text);
    const title = last ? `${text} ${base} · Deedbook` : `${base} · Deedbook`;
    if (document.title !== title) document.title = title;
    const spread = bid === null || ask === null || ask < bid ? null : ask - bid; // in an auction's call the sides may cross
    const points = spread === null ? "" : `${percent(BigInt(spread) * 2n, BigInt(ask + bid))}`;
    setText(this.figures.spread, spread === null ? "–" : fromUnits(spread, priceDecimals));
    setText(this.ladder.spread, points);
    const day = this.#day.get(symbol);
    if (day) {
      setText(this.figures.change, change(day.priceChangePercent));
      this.figures.change.className = day.priceChangePercent.startsWith("-") ? "sell" : "buy";
      setText(this.figures.high, shown(day.highPrice, priceDecimals));
      setText(this.figures.low, shown(day.lowPrice, priceDecimals));
      setText(this.figures.volume, `${shown(day.volume)} ${base}`);
    }
    setText(this.figures.yield, last ? yieldOf(this.#markets.get(symbol), last.price, priceDecimals) : "–");
  }

  /** The reader's orders in the book, in ticks and lots, with what stands ahead of each. */
  #own({ instrument: { symbol, priceDecimals, qtyDecimals }, queues }) {
    return [...this.account.orders.values()].filter((order) => order.symbol === symbol && !order.waits).map(({ orderId, side, price, quantity, executed }) => ({
      isBuy: side === "BUY",
      price: toUnits(price, priceDecimals),
      quantity: toUnits(quantity, qtyDecimals) - toUnits(executed, qtyDecimals),
      ahead: queues.ahead(orderId),
    }));
  }

  #showAccount({ instrument, queues }) {
    if (this.account.isReady && this.fillsOf !== instrument.symbol) {
      this.fillsOf = instrument.symbol;
      this.account.loadFills(instrument.symbol).catch(() => {
        this.fillsOf = null;
      });
    }
    if (this.account.seen !== this.account.version) {
      this.account.seen = this.account.version;
      this.ticket.draw();
    }
    this.orders.draw();
    this.orders.showQueues(queues);
  }

  /** What a key did: the keyboard knows nothing of the parts. */
  get bestOfOwnSide() {
    const [level] = this.#live.book.levels(this.ticket.side === "BUY", 1);
    return level?.[0] ?? null;
  }

  get isLive() {
    return this.#live?.shownState === "live";
  }
}
