// Public questions to the trading API.

import { decimalsOf } from "../shell/numbers.js";
import { Problem } from "../api.js";

const ANSWER_WITHIN_MS = 10_000;

export class Trading {
  constructor(restUrl) {
    this.restUrl = restUrl;
  }

  async #ask(path, parameters = {}) {
    const url = new URL(`${this.restUrl}/api/v3/${path}`);
    url.search = new URLSearchParams(parameters);
    let response;
    try {
      response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS), credentials: "omit" });
    } catch {
      throw new Problem({ reason: "NO_ANSWER", detail: "The exchange does not answer. This page keeps trying." });
    }
    if (!response.ok) throw new Problem({ status: response.status, reason: "REFUSED", detail: `The exchange answered ${path} with ${response.status}.` });
    return response.json();
  }

  /** The listed instruments: names, status, and the decimals, steps and limits of price and quantity. */
  async instruments() {
    const { symbols } = await this.#ask("exchangeInfo");
    return symbols.map(({ symbol, baseAsset, status, filters }) => {
      const filter = (type) => filters.find(({ filterType }) => filterType === type);
      const { tickSize, minPrice, maxPrice } = filter("PRICE_FILTER");
      const { stepSize, maxQty } = filter("LOT_SIZE");
      const notional = filter("NOTIONAL");
      return {
        symbol,
        base: baseAsset,
        status,
        tickSize,
        minPrice,
        maxPrice,
        stepSize,
        maxQty,
        minNotional: notional?.minNotional ?? "0",
        priceDecimals: decimalsOf(tickSize),
        qtyDecimals: decimalsOf(stepSize),
      };
    });
  }

  depth(symbol) {
    return this.#ask("depth", { symbol, limit: 1000 });
  }

  trades(symbol, limit) {
    return this.#ask("trades", { symbol, limit });
  }

  /** The last 24 hours of every market, by symbol. */
  async day() {
    const rows = await this.#ask("ticker/24hr");
    return new Map(rows.map((row) => [row.symbol, row]));
  }

  /** Rows of [open time, open, high, low, close, volume, ...], the oldest first. */
  candles(symbol, interval, limit = 500) {
    return this.#ask("klines", { symbol, interval, limit });
  }
}
