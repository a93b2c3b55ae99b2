// The reader's orders, fills and balances, kept by the events of their own stream.

import { api } from "../api.js";
import { TYPES } from "./rules.js";
import { forgetKey, keptKey, makeKey, TradingSession } from "./session.js";

const FILLS_KEPT = 100;
const KEY_GONE = [-2015, -2014, -1022];
const KEY_KNOWN_WITHIN_MS = 5_000; // the exchange reads its keys anew every second
const AGAIN_MS = 500;

export class Account {
  #session = null;
  #madeAt = -KEY_KNOWN_WITHIN_MS;

  /** `changed` is called whenever something here is new. */
  constructor(websocketUrl, who, changed) {
    this.websocketUrl = websocketUrl;
    this.who = who;
    this.version = 0; // moves with every change
    this.changed = () => {
      this.version += 1;
      changed();
    };
    this.orders = new Map(); // open ones, by id
    this.fills = []; // the newest first
    this.balances = new Map(); // by asset: {free, locked}
    this.state = "closed"; // closed (no key yet), connecting, live, stale, lost
    this.wallet = null;
    this.trouble = null;
  }

  get isReady() {
    return this.state === "live";
  }

  get #name() {
    return `${this.who.user_id} ${this.wallet}`;
  }

  /** Goes on with the key that this browser has. False: it has none yet. */
  async open() {
    const wallets = await api.get("/wallets");
    const linked = wallets.find((wallet) => wallet.account !== null);
    this.wallet = linked?.address ?? null;
    if (!linked) {
      this.trouble = wallets.length ? "The exchange is opening your wallet's account." : "Link a wallet first.";
      return false;
    }
    const key = await keptKey(this.#name);
    if (key) this.#start(key);
    return Boolean(key);
  }

  /** Makes a key in this browser and logs on with it. Throws a Problem. */
  async enable(password) {
    const key = await makeKey(this.#name, this.wallet, password);
    this.#madeAt = performance.now();
    this.#start(key);
  }

  #start(key) {
    this.#session = new TradingSession(this.websocketUrl, key, {
      ready: () => this.#load(),
      event: (event) => this.#heard(event),
      state: (state) => state !== "live" && this.#set(state),
      refused: (problem) => this.#refused(problem),
    });
    this.#session.start();
  }

  #set(state) {
    if (state === this.state) return;
    this.state = state;
    this.changed();
  }

  async #refused(problem) {
    if (performance.now() - this.#madeAt < KEY_KNOWN_WITHIN_MS) return setTimeout(() => this.#session.logOn(), AGAIN_MS);
    this.trouble = problem.message;
    if (KEY_GONE.includes(problem.extra?.code) || problem instanceof TypeError) { // revoked, or not readable in this browser any more
      this.#session.stop();
      await forgetKey(this.#name);
      this.trouble = null;
      this.#set("closed");
    }
  }

  async #load() {
    const [orders, account] = await Promise.all([this.#session.ask("openOrders.status"), this.#session.ask("account.status")]);
    this.orders = new Map(orders.map((order) => [order.orderId, orderOf(order)]));
    this.balances = new Map(account.balances.map(({ asset, free, locked }) => [asset, { free, locked }]));
    this.trouble = null;
    this.state = "live";
    this.changed();
  }

  /** The reader's fills in a market, with where their settlement stands. */
  async loadFills(symbol) {
    if (!this.isReady) return;
    const trades = await this.#session.ask("myTrades", { symbol, limit: FILLS_KEPT });
    this.fills = trades.map(fillOf).reverse();
    this.changed();
  }

  #heard(event) {
    if (event.e === "executionReport") this.#executed(event);
    else if (event.e === "outboundAccountPosition") {
      for (const { a, f, l } of event.B) this.balances.set(a, { free: f, locked: l });
    } else if (event.e === "tradeSettlement") {
      for (const fill of this.fills) {
        if (fill.id === event.t) Object.assign(fill, { settlement: event.X, reason: event.r, transaction: event.h });
      }
    }
    this.changed();
  }

  #executed(event) {
    const isOpen = ["NEW", "PARTIALLY_FILLED", "PENDING_NEW"].includes(event.X);
    if (isOpen) this.orders.set(event.i, reported(event));
    else this.orders.delete(event.i);
    if (event.x === "TRADE" && !this.fills.some((fill) => fill.id === event.t && fill.orderId === event.i)) {
      this.fills = [executed(event), ...this.fills].slice(0, FILLS_KEPT);
    }
  }

  place(parameters) {
    return this.#session.ask("order.place", { newOrderRespType: "FULL", ...parameters });
  }

  /** A limit order that rests and a stop, of which one ends the other. */
  placePair({ side, price, stopPrice, ...both }) {
    const [profit, loss] = side === "SELL" ? ["above", "below"] : ["below", "above"];
    return this.#session.ask("orderList.place.oco", {
      side, ...both, [`${profit}Type`]: "LIMIT_MAKER", [`${profit}Price`]: price, [`${loss}Type`]: "STOP_LOSS", [`${loss}StopPrice`]: stopPrice,
    });
  }

  cancel({ symbol, orderId }) {
    return this.#session.ask("order.cancel", { symbol, orderId });
  }

  cancelAll(symbol) {
    return this.#session.ask("openOrders.cancelAll", { symbol });
  }

  /**
   * A smaller quantity keeps the place in the queue; anything else is a new order in one step with the cancellation.
   * Of `changes` ({price, stopPrice, quantity}) what is not given stays. Answers whether it is a new order.
   */
  async amend(order, changes) {
    const { price, stopPrice, quantity } = { ...order, ...changes };
    if (price === order.price && stopPrice === order.stopPrice) {
      try {
        const { amendedOrder } = await this.#session.ask("order.amend.keepPriority", { symbol: order.symbol, orderId: order.orderId, newQty: quantity });
        const open = this.orders.get(order.orderId); // no event tells of it; meanwhile it may be filled
        if (open) this.orders.set(order.orderId, { ...open, quantity: amendedOrder.qty });
        this.changed();
        return false;
      } catch (problem) {
        if (problem.reason !== "QTY_NOT_REDUCED") throw problem;
      }
    }
    const { symbol, orderId, side, selfTrade, inForce } = order;
    const type = TYPES[order.type].hasStop && !order.waits ? "LIMIT" : order.type; // a stop that was triggered is one
    await this.#session.ask("order.cancelReplace", {
      symbol, side, type, quantity, cancelOrderId: orderId, cancelReplaceMode: "STOP_ON_FAILURE", selfTradePreventionMode: selfTrade,
      ...(TYPES[type].hasPrice ? { price, timeInForce: inForce } : {}),
      ...(TYPES[type].hasStop ? { stopPrice } : {}),
      ...(order.display && Number(order.display) < Number(quantity) ? { icebergQty: order.display } : {}), // a smaller one has nothing to hide
      ...(inForce === "GTD" ? { goodTillDate: await this.#goodTill(order) } : {}),
    });
    return true;
  }

  /** The end of an order, in milliseconds: no event tells it. */
  async #goodTill({ symbol, orderId }) {
    return (await this.#session.ask("order.status", { symbol, orderId })).goodTillDate;
  }

  free(asset) {
    return this.isReady ? this.balances.get(asset)?.free ?? "0" : null;
  }
}

/** What an iceberg shows at a time; null of an order that shows all. */
function shownPart(text) {
  return /[1-9]/.test(text) ? text : null;
}

/** The number of the order list that an order belongs to; null of one that stands alone. */
function listOf(number) {
  return number === -1 ? null : number;
}

/** Of a query's answer. */
function orderOf(order) {
  return {
    symbol: order.symbol, orderId: order.orderId, side: order.side, type: order.type, inForce: order.timeInForce, price: order.price,
    stopPrice: order.stopPrice, waits: !order.isWorking, quantity: order.origQty, executed: order.executedQty, timeMs: order.time,
    display: shownPart(order.icebergQty), selfTrade: order.selfTradePreventionMode, list: listOf(order.orderListId),
    isPending: order.status === "PENDING_NEW",
  };
}

/** Of an executionReport. */
function reported(event) {
  return {
    symbol: event.s, orderId: event.i, side: event.S, type: event.o, inForce: event.f, price: event.p, stopPrice: event.P, waits: !event.w,
    display: shownPart(event.F), quantity: event.q, executed: event.z, timeMs: event.O, selfTrade: event.V, list: listOf(event.g),
    isPending: event.X === "PENDING_NEW",
  };
}

function fillOf(trade) {
  return {
    id: trade.id, orderId: trade.orderId, symbol: trade.symbol, side: trade.isBuyer ? "BUY" : "SELL", price: trade.price, quantity: trade.qty,
    usdc: trade.quoteQty, fee: trade.commission, timeMs: trade.time, settlement: trade.settlement, reason: trade.settlementReason ?? "",
    transaction: trade.transaction ?? "", isMaker: trade.isMaker,
  };
}

function executed(event) {
  return {
    id: event.t, orderId: event.i, symbol: event.s, side: event.S, price: event.L, quantity: event.l, usdc: event.Y, fee: event.n, timeMs: event.T,
    settlement: "MATCHED", reason: "", transaction: "", isMaker: event.m,
  };
}
