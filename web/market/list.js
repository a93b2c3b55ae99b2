// The table of all markets, asked anew every few seconds.


import { make } from "../shell/make.js";
import { fill, badge } from "../shell/states.js";
import { table } from "../shell/tables.js";
import { Trading } from "./trading.js";

const EVERY_MS = 5_000;

export class MarketList {
  constructor(restUrl, api) {
    this.trading = new Trading(restUrl);
    this.api = api;
    this.element = make("section", { class: "panel", "aria-label": "Markets" });
  }

  async run() {
    await fill(this.element, () => this.trading.instruments(), (instruments) => this.#table(instruments));
    setTimeout(() => this.run(), EVERY_MS);
  }

  #table(instruments) {
    return table({
      caption: "Markets",
      columns: [
        { name: "Property", cell: ({ base, symbol }) => make("a", { href: `/market#${symbol}` }, base) },
        { name: "Phase", cell: ({ status }) => badge(status) },
      ],
      rows: instruments,
      none: { title: "No property is listed yet", text: "The first one appears here as soon as it is tokenized." },
    });
  }
}
