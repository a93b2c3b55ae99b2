// Public questions to the trading API.

import { decimalsOf } from "../shell/numbers.js";

const ANSWER_WITHIN_MS = 10_000;

export class Trading {
  constructor(restUrl) {
    this.restUrl = restUrl;
  }

  async #ask(path, parameters = {}) {
    const url = new URL(`${this.restUrl}/api/v3/${path}`);
    url.search = new URLSearchParams(parameters);
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS), credentials: "omit" });
    if (!response.ok) throw new Error(`${path} answered ${response.status}`);
    return response.json();
  }

  /** The listed instruments: symbol, base, status, and the decimals and steps of price and quantity. */
  async instruments() {
    const { symbols } = await this.#ask("exchangeInfo");
    return symbols.map(({ symbol, baseAsset, status, filters }) => {
      const filter = (type) => filters.find(({ filterType }) => filterType === type);
      const { tickSize } = filter("PRICE_FILTER");
      const { stepSize } = filter("LOT_SIZE");
      return {
        symbol,
        base: baseAsset,
        status,
        tickSize,
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
}
