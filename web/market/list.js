// The table of all markets, asked anew every few seconds.

import { api } from "../api.js";
import { make } from "../shell/make.js";
import { change, shown, toUnits } from "../shell/numbers.js";
import { badge, fill, words } from "../shell/states.js";
import { table } from "../shell/tables.js";
import { Trading } from "./trading.js";
import { PHASES, yieldOf } from "./words.js";

const EVERY_MS = 3_000;

export class MarketList {
  constructor(restUrl) {
    this.trading = new Trading(restUrl);
    this.element = make("section", { class: "panel", "aria-label": "Markets" });
  }

  async run() {
    await fill(this.element, () => this.#load(), (rows) => this.#table(rows));
    setTimeout(() => this.run(), EVERY_MS);
  }

  async #load() {
    const [instruments, markets, day] = await Promise.all([this.trading.instruments(), api.get("/markets"), this.trading.day()]);
    return instruments.map((instrument) => ({ instrument, market: markets.find(({ symbol }) => symbol === instrument.symbol), day: day.get(instrument.symbol) }))
      .filter(({ market }) => market);
  }

  #table(rows) {
    const traded = (show) => ({ day, ...row }) => (day && /[1-9]/.test(day.lastPrice) ? show(day, row) : "–");
    return table({
      caption: "Markets",
      columns: [
        { name: "Property", cell: ({ instrument, market }) => make("a", { class: "market-name", href: `/market#${instrument.symbol}` }, make("strong", {}, instrument.base), make("span", { class: "quiet" }, market.name)) },
        { name: "Last price", cell: traded((day, { instrument }) => `${shown(day.lastPrice, instrument.priceDecimals)} USDC`), isNumber: true },
        { name: "24 h", cell: traded((day) => make("span", { class: day.priceChangePercent.startsWith("-") ? "sell" : "buy" }, change(day.priceChangePercent))), isNumber: true },
        { name: "Low to high, 24 h", cell: traded((day, { instrument }) => `${shown(day.lowPrice, instrument.priceDecimals)} – ${shown(day.highPrice, instrument.priceDecimals)}`), isNumber: true },
        { name: "Volume, 24 h", cell: traded((day) => `${shown(day.quoteVolume.replace(/\.\d+$/, ""))} USDC`), isNumber: true },
        { name: "Yield, 12 months", cell: traded((day, { instrument, market }) => yieldOf(market, toUnits(day.lastPrice, instrument.priceDecimals), instrument.priceDecimals)), isNumber: true },
        { name: "Phase", cell: ({ instrument }) => badge(instrument.status === "TRADING" ? "OPEN" : "WAITING", PHASES[instrument.status] ?? words(instrument.status)) },
        { name: "", cell: ({ instrument }) => make("a", { class: "button small", href: `/market#${instrument.symbol}`, aria: { label: `Trade ${instrument.base}` } }, "Trade") },
      ],
      rows,
      none: { title: "No property is listed yet", text: "The first one appears here as soon as it is tokenized." },
    });
  }
}
