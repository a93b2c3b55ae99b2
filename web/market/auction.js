// An auction that is being called: the price at which it would uncross now, what would trade, and when.

import { make, setText } from "../shell/make.js";
import { shown } from "../shell/numbers.js";
import { timeText } from "../shell/times.js";

/** `imbalance`: what would be bought at the price less what would be sold. */
function surplusOf(imbalance, base) {
  if (!/[1-9]/.test(imbalance)) return "nothing";
  return `${shown(imbalance.replace("-", ""))} ${base} to ${imbalance.startsWith("-") ? "sell" : "buy"}`;
}

export class Auction {
  constructor() {
    this.price = make("strong");
    this.qty = make("strong");
    this.surplus = make("strong");
    this.ends = make("strong");
    this.element = make("section", { class: "auction", hidden: true, "aria-label": "Auction" },
      make("h2", {}, "Auction"),
      make("p", {}, "Indicative price ", this.price), make("p", {}, "Would trade ", this.qty),
      make("p", {}, "Left over at that price ", this.surplus), make("p", {}, "Uncrosses ", this.ends));
  }

  /** `event` of the stream `<symbol>@auction`, or null; `isCalled`: the phase is an auction's. */
  show(event, isCalled, { base }) {
    this.element.hidden = !isCalled;
    if (!isCalled) return;
    setText(this.price, event?.p && /[1-9]/.test(event.p) ? `${shown(event.p)} USDC` : "none yet");
    setText(this.qty, event?.q ? `${shown(event.q)} ${base}` : "–");
    setText(this.surplus, event?.i ? surplusOf(event.i, base) : "–");
    setText(this.ends, event?.T ? timeText(event.T, "clock") : "when it is called");
  }
}
