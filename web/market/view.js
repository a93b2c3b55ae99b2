// The parts of the market page and what flows between them.

import { make, setText } from "../shell/make.js";
import { Ladder, Tape } from "./ladder.js";
import { LiveMarket } from "./live.js";
import { Trading } from "./trading.js";

const LEVELS = 14;
const TRADES_SHOWN = 40;
const STATES = {
  connecting: "Connecting",
  live: "Live",
  syncing: "Loading the book",
  stale: "Stale: nothing received",
  lost: "Disconnected, trying again",
};

export class MarketView {
  #isDrawing = false;
  #market;

  constructor(restUrl, websocketUrl) {
    this.trading = new Trading(restUrl);
    this.websocketUrl = websocketUrl;
    this.asks = make("tbody", { class: "asks" });
    this.bids = make("tbody", { class: "bids" });
    this.trades = make("tbody");
    this.state = make("span", { role: "status" });
    this.element = make("div", { class: "columns" }, this.state, make("table", { class: "ladder" }, this.asks, this.bids), make("table", {}, this.trades));
    this.ladder = new Ladder(this.asks, this.bids, LEVELS);
    this.tape = new Tape(this.trades, TRADES_SHOWN);
  }

  async start() {
    const instruments = await this.trading.instruments();
    const wanted = decodeURIComponent(location.hash.slice(1));
    const instrument = instruments.find(({ symbol }) => symbol === wanted) ?? instruments[0];
    this.#market = new LiveMarket(instrument, this.trading, this.websocketUrl, () => this.#draw());
    this.#market.start();
  }

  #draw() {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame(() => {
      this.#isDrawing = false;
      const { book, trades, instrument, shownState } = this.#market;
      setText(this.state, STATES[shownState]);
      this.ladder.show(book.levels(false, LEVELS), book.levels(true, LEVELS), instrument);
      this.tape.show(trades.slice(-TRADES_SHOWN).reverse(), instrument);
    });
  }
}
