// The order ticket: every type that the API takes, what an order will hold and cost, and why it would be refused.

import { confirmed, dialog } from "../shell/dialogs.js";
import { form } from "../shell/forms.js";
import { make, setText } from "../shell/make.js";
import { basisPoints, decimal, fromUnits, shown, units, usdc, USDC_DECIMALS } from "../shell/numbers.js";
import { signInLink } from "../shell/session.js";
import { notice } from "../shell/states.js";
import { timeText } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { judge, mayHide, mustRise, TYPES } from "./rules.js";
import { CALLED } from "./words.js";

const IN_FORCE = { GTC: "Until cancelled", DAY: "For the day", IOC: "At once (IOC)", FOK: "All or none (FOK)", GTD: "Until a time" };
const SELF_TRADE = { EXPIRE_MAKER: "End the older", EXPIRE_TAKER: "End this one", EXPIRE_BOTH: "End both", DECREMENT: "Make both smaller", NONE: "Trade" };
const PARTS = [25, 50, 75, 100];

export class Ticket {
  #instrument = null;
  #market = null;
  #book = { bid: null, ask: null, last: null };
  #permission = null;
  #judged = null;
  #isBusy = false;

  constructor(account, who) {
    this.account = account;
    this.who = who;
    this.side = "BUY";
    const input = (name, unit) => make("input", { id: `ticket-${name}`, name, inputMode: "decimal", autocomplete: "off", on: { input: () => this.draw() } , data: { unit } });
    this.stopPrice = input("stop");
    this.price = input("price");
    this.quantity = input("quantity");
    this.display = input("display");
    this.expires = make("input", { id: "ticket-expires", type: "datetime-local", on: { input: () => this.draw() } });
    this.type = make("select", { id: "ticket-type", on: { change: () => this.draw() } }, Object.entries(TYPES).map(([value, { name }]) => make("option", { value }, name)));
    this.inForce = make("select", { id: "ticket-force", on: { change: () => this.draw() } }, Object.entries(IN_FORCE).map(([value, text]) => make("option", { value }, text)));
    this.selfTrade = make("select", { id: "ticket-self" }, Object.entries(SELF_TRADE).map(([value, text]) => make("option", { value }, text)));
    this.by = make("select", { class: "unit-select", aria: { label: "Quantity in" }, on: { change: () => this.draw() } });
    this.sides = make("div", { class: "sides", role: "group", aria: { label: "Side" } },
      ["BUY", "SELL"].map((side) => make("button", { type: "button", data: { side }, on: { click: () => this.choose(side) } }, side === "BUY" ? "Buy" : "Sell")));
    this.parts = make("div", { class: "choices", role: "group", aria: { label: "Part of what is free" } },
      PARTS.map((part) => make("button", { type: "button", on: { click: () => this.#take(part) } }, `${part} %`)));
    this.sums = make("dl", { class: "sums" });
    this.why = make("div", { class: "why", role: "status", aria: { live: "polite" } });
    this.send = make("button", { type: "submit", class: "good-button send" }, "Buy");
    this.gate = make("div", { class: "gate" });
    const field = (label, control, forId) => make("div", { class: "field" }, make("label", { htmlFor: forId }, label), control);
    const priced = (label, control) => field(label, make("div", { class: "with-unit" }, control, make("span", { class: "unit" }, "USDC")), control.id);
    this.stopField = priced("Stop price", this.stopPrice);
    this.priceField = priced("Price", this.price);
    this.displayUnit = make("span", { class: "unit" });
    this.displayField = field("Show at a time", make("div", { class: "with-unit" }, this.display, this.displayUnit), "ticket-display");
    this.forceField = field("In force", this.inForce, "ticket-force");
    this.expiresField = field("Until", this.expires, "ticket-expires");
    this.form = make("form", { class: "ticket", noValidate: true, on: { submit: (event) => this.#submit(event) } },
      this.sides,
      field("Type", this.type, "ticket-type"),
      this.stopField, this.priceField,
      field("Quantity", make("div", { class: "with-unit" }, this.quantity, this.by), "ticket-quantity"),
      this.parts, this.forceField, this.expiresField,
      make("details", {}, make("summary", {}, "More"), this.displayField, field("If I meet myself", this.selfTrade, "ticket-self")),
      this.sums, this.why, this.send);
    this.element = make("div", { class: "body" }, this.gate, this.form);
    this.choose("BUY");
  }

  /** `market`: of /markets; `permission`: of /markets/{symbol}/permission, null for a visitor. */
  begin(instrument, market, permission) {
    this.#instrument = instrument;
    this.#market = market;
    this.#permission = permission;
    this.by.replaceChildren(make("option", { value: "tokens" }, instrument.base), make("option", { value: "usdc" }, "USDC"));
    this.price.value = this.stopPrice.value = this.quantity.value = this.display.value = "";
    this.display.placeholder = "all of it";
    setText(this.displayUnit, instrument.base);
    this.price.placeholder = this.stopPrice.placeholder = instrument.tickSize;
    this.quantity.placeholder = instrument.stepSize;
    this.draw();
  }

  choose(side) {
    this.side = side;
    for (const button of this.sides.children) button.setAttribute("aria-pressed", String(button.dataset.side === side));
    this.send.className = `${side === "BUY" ? "good-button" : "danger"} send`;
    this.draw();
  }

  /** A price in ticks, from the ladder or a key: the limit, or the stop price of an order without one. */
  setPrice(ticks) {
    if (this.type.value === "MARKET") this.type.value = "LIMIT";
    this.#mainPrice.value = decimal(BigInt(ticks), this.#instrument.priceDecimals);
    this.draw();
  }

  get #mainPrice() {
    const { hasPrice, hasStop } = TYPES[this.type.value];
    return hasStop && !hasPrice ? this.stopPrice : this.price;
  }

  /** The fields in which arrows move what is typed. */
  get numbers() {
    return [this.stopPrice, this.price, this.quantity, this.display];
  }

  /** The price, or the stop price where that is being typed, by so many ticks. */
  move(steps) {
    const { priceDecimals, tickSize } = this.#instrument;
    const field = document.activeElement === this.stopPrice ? this.stopPrice : this.#mainPrice;
    try {
      const moved = units(field.value || decimal(BigInt(this.#best() ?? 0), priceDecimals), priceDecimals) + BigInt(steps) * units(tickSize, priceDecimals);
      if (moved > 0n) field.value = decimal(moved, priceDecimals);
    } catch {
      return; // what is typed is no number yet
    }
    this.draw();
  }

  /** The best prices or the last one changed: what follows from them is drawn, and nothing that the reader types is touched. */
  follow(bid, ask, last, status) {
    if (bid === this.#book.bid && ask === this.#book.ask && last === this.#book.last && status === this.status) return;
    this.#book = { bid, ask, last };
    this.status = status;
    this.draw();
  }

  #best() {
    return this.side === "BUY" ? this.#book.ask : this.#book.bid;
  }

  #order() {
    const inForce = TYPES[this.type.value].inForce.length ? this.inForce.value : null;
    const byQuote = this.type.value === "MARKET" && this.side === "BUY" && this.by.value === "usdc";
    return {
      side: this.side,
      type: this.type.value,
      price: this.price.value.trim(),
      stopPrice: this.stopPrice.value.trim(),
      quantity: byQuote ? "" : this.quantity.value.trim(),
      quoteQuantity: byQuote ? this.quantity.value.trim() : "",
      display: mayHide({ type: this.type.value, inForce }) ? this.display.value.trim() : "",
      inForce,
      expiresAt: this.expires.value,
    };
  }

  draw() {
    if (!this.#instrument) return;
    const { base, qtyDecimals } = this.#instrument;
    const type = TYPES[this.type.value];
    this.stopField.hidden = !type.hasStop;
    this.priceField.hidden = !type.hasPrice;
    this.forceField.hidden = !type.inForce.length;
    for (const option of this.inForce.options) option.hidden = option.disabled = !type.inForce.includes(option.value);
    if (type.inForce.length && !type.inForce.includes(this.inForce.value)) [this.inForce.value] = type.inForce;
    this.expiresField.hidden = !type.inForce.length || this.inForce.value !== "GTD";
    this.by.disabled = !(this.type.value === "MARKET" && this.side === "BUY");
    if (this.by.disabled) this.by.value = "tokens";
    const order = this.#order();
    this.displayField.hidden = !mayHide(order);
    const funds = this.account?.isReady ? this.#funds(base) : null;
    const judged = judge(order, this.#instrument, this.#market, this.#book, funds);
    this.#judged = judged;
    const { notional, fee, rate, hold } = judged;
    const holdText = hold.amount === null ? "–" : hold.asset === "USDC" ? usdc(decimal(hold.amount, USDC_DECIMALS)) : `${fromUnits(hold.amount, qtyDecimals)} ${base}`;
    const isBuy = order.side === "BUY";
    const free = funds === null ? "–" : isBuy ? usdc(funds.cash) : `${shown(funds.tokens)} ${base}`;
    this.#sums([
      ["Free", free],
      [(type.hasPrice && !type.isPair) || order.quoteQuantity ? "Worth" : isBuy ? "Worth at most" : "Worth at least", notional === null ? "–" : usdc(decimal(notional, USDC_DECIMALS))],
      [`Fee, about (${basisPoints(rate)})`, fee === null ? "–" : usdc(decimal(fee, USDC_DECIMALS))],
      ["Held until it is done", holdText],
    ]);
    this.#drawWhy(judged, order);
    setText(this.send, `${isBuy ? "Buy" : "Sell"} ${base}`);
    this.#drawGate();
  }

  #funds(base) {
    const permission = this.#permission;
    const release = permission?.next_release_at ? timeText(permission.next_release_at) : "";
    return { cash: this.account.free("USDC"), tokens: this.account.free(base) ?? "0", locked: permission?.locked ?? "0", release };
  }

  #sums(rows) {
    if (!this.sums.children.length) this.sums.append(...rows.map(() => make("div", {}, make("dt"), make("dd"))));
    rows.forEach(([name, value], index) => {
      setText(this.sums.children[index].firstChild, name);
      setText(this.sums.children[index].lastChild, value);
    });
  }

  /** One sentence, about what is typed: an empty ticket is not wrong yet. */
  #drawWhy(judged, order) {
    const { refusals } = judged;
    const isTyped = order.quantity || order.quoteQuantity;
    const general = this.#general(order);
    const first = general ?? (isTyped ? refusals[0] : null);
    this.send.disabled = this.#isBusy || !isTyped || Boolean(general) || refusals.length > 0 || !this.account?.isReady;
    const text = first ? first.text : isTyped ? this.#course(judged, order) : "";
    const kind = first ? "bad" : "plain";
    if (this.why.dataset.text === text + kind) return;
    this.why.dataset.text = text + kind;
    this.why.className = `why ${kind}`;
    this.why.replaceChildren(...(text ? [text] : []), ...(first?.lack ? [" ", make("a", { href: `/invest/funds#${first.lack.asset}` }, "Bring more")] : []));
  }

  /** What will become of an order that is taken. */
  #course({ limit, isTaking }, order) {
    const { base, priceDecimals } = this.#instrument;
    if (TYPES[order.type].isPair) {
      const [acts, moves] = order.side === "BUY" ? ["buys", "risen"] : ["sells", "fallen"];
      return `It ${acts} at ${shown(order.price, priceDecimals)}, or at once when the last price has ${moves} to ${shown(order.stopPrice, priceDecimals)}: what comes first ends the other.`;
    }
    if (TYPES[order.type].hasStop) {
      const [moves, acts, reach] = [mustRise(order) ? "risen" : "fallen", order.side === "BUY" ? "buys" : "sells", order.side === "BUY" ? "up" : "down"];
      return `It waits until the last price has ${moves} to ${shown(order.stopPrice, priceDecimals)}, then ${acts} ${reach} to ${fromUnits(limit, priceDecimals)}.`;
    }
    const meets = isTaking && !CALLED.includes(this.status) && `It meets the book at ${fromUnits(this.#best(), priceDecimals)} and may trade at once.`;
    return [meets, order.display && `In the book it shows ${shown(order.display)} ${base} at a time.`].filter(Boolean).join(" ");
  }

  #general(order) {
    if (this.status === "BREAK") return { text: "Trading is halted: nothing can be placed or cancelled now." };
    if (this.status === "HALT") return { text: "Orders can only be cancelled now." };
    if (CALLED.includes(this.status) && (order.type !== "LIMIT" || !["GTC", "GTD", "DAY"].includes(order.inForce))) {
      return { text: "Before an auction only limit orders that rest are taken: until cancelled, for the day, or until a time." };
    }
    const permission = this.#permission;
    if (permission && !(order.side === "BUY" ? permission.may_buy : permission.may_sell)) {
      return { text: permission.withheld[0]?.detail ?? "What you may do here is being brought to the exchange." };
    }
    return null;
  }

  /** In front of the ticket: what is still missing before this reader can trade here. */
  #drawGate() {
    const state = !this.who ? "visitor" : !this.account?.wallet ? "walletless" : this.account.state;
    if (this.gate.dataset.state === state + (this.account?.trouble ?? "")) return;
    this.gate.dataset.state = state + (this.account?.trouble ?? "");
    const shown = {
      visitor: () => [notice("note", make("p", {}, make("a", { href: signInLink() }, "Sign in"), " or ", make("a", { href: "/register" }, "open an account"), " to trade."))],
      walletless: () => [notice("note", make("p", {}, this.account?.trouble ?? "Link a wallet first.", " ", make("a", { href: "/account/start" }, "Getting started")))],
      closed: () => [make("div", { class: "notice" }, make("p", {}, "To trade, this browser makes a key that never leaves it."),
        make("button", { type: "button", class: "primary small", on: { click: () => this.#enable() } }, "Trade in this browser"))],
      connecting: () => [notice("warn", "Connecting to your account …")],
      stale: () => [notice("warn", "Your account's connection is silent: what is shown may be old.")],
      lost: () => [notice("bad", "Your account's connection is lost, trying again. Orders that rest stay in the book.")],
    }[state]?.() ?? [];
    this.gate.replaceChildren(...shown, ...(this.account?.trouble && state !== "walletless" ? [notice("bad", this.account.trouble)] : []));
  }

  async #enable() {
    try {
      if (this.who.has_second_factor) return await this.account.enable();
      const element = dialog("Confirm it is you", form({
        fields: [{ name: "password", label: "Your password", type: "password", autocomplete: "current-password" }],
        submit: "Trade in this browser",
        send: async ({ password }) => {
          await this.account.enable(password);
          element.close();
        },
      }));
    } catch (problem) {
      toast(problem.message, "bad");
    }
  }

  /** So many percent of what is free, at the price that is typed, or else the best one. */
  #take(part) {
    if (!this.account?.isReady) return;
    const { base, qtyDecimals, stepSize } = this.#instrument;
    const share = (amount) => (amount * BigInt(part)) / 100n;
    if (this.side === "SELL") {
      const lots = share(units(this.account.free(base) ?? "0", qtyDecimals));
      this.quantity.value = decimal(lots - (lots % units(stepSize, qtyDecimals)), qtyDecimals);
    } else {
      const cash = share(units(this.account.free("USDC"), USDC_DECIMALS));
      const price = this.#judged.limit ?? BigInt(this.#best() ?? 0);
      if (price <= 0n) return;
      const worth = price * units(this.#market.tick_value_usdc, USDC_DECIMALS) * BigInt(10_000 + this.#market.hold_fee_bps);
      this.by.value = "tokens";
      this.quantity.value = decimal((cash * 10_000n) / worth, qtyDecimals);
    }
    this.draw();
  }

  async #submit(event) {
    event.preventDefault();
    this.draw();
    if (this.send.disabled) return;
    const order = this.#order();
    if (!await this.#isMeant(order)) return;
    this.#isBusy = true;
    this.draw();
    try {
      const isPair = TYPES[order.type].isPair;
      const done = await (isPair ? this.account.placePair(this.#pair(order)) : this.account.place(this.#parameters(order)));
      toast(isPair ? "Your two orders wait; what comes first ends the other." : sentence(done, this.#instrument.base), "good");
      this.quantity.value = this.display.value = "";
    } catch (problem) {
      toast(problem.message, "bad");
    } finally {
      this.#isBusy = false;
      this.draw();
    }
  }

  /** A price far from the book, or from the stop price, is asked about once more. */
  async #isMeant(order) {
    const { priceDecimals } = this.#instrument;
    const { hasPrice, hasStop, isPair } = TYPES[order.type];
    if (isPair) return true;
    const from = hasStop ? units(order.stopPrice, priceDecimals) : BigInt(this.#best() ?? 0);
    if (!hasPrice || from === 0n) return true;
    const price = units(order.price, priceDecimals);
    const away = order.side === "BUY" ? price - from : from - price;
    if (away * 20n <= from) return true;
    const text = `${shown(order.price)} USDC is more than 5 % worse for you than the ${hasStop ? "stop" : "best"} price, ${fromUnits(from, priceDecimals)} USDC.`;
    return confirmed("Is this the price you mean?", text, "Yes, place it", true);
  }

  #pair({ side, price, stopPrice, quantity }) {
    return { symbol: this.#instrument.symbol, side, price, stopPrice, quantity, selfTradePreventionMode: this.selfTrade.value, listClientOrderId: newId() };
  }

  #parameters(order) {
    return {
      symbol: this.#instrument.symbol,
      side: order.side,
      type: order.type,
      selfTradePreventionMode: this.selfTrade.value,
      newClientOrderId: newId(),
      ...(TYPES[order.type].hasPrice ? { price: order.price } : {}),
      ...(TYPES[order.type].hasStop ? { stopPrice: order.stopPrice } : {}),
      ...(order.quoteQuantity ? { quoteOrderQty: order.quoteQuantity } : { quantity: order.quantity }),
      ...(order.display ? { icebergQty: order.display } : {}),
      ...(order.inForce ? { timeInForce: order.inForce } : {}),
      ...(order.inForce === "GTD" ? { goodTillDate: Date.parse(order.expiresAt) } : {}),
    };
  }
}

function newId() {
  return `web-${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`;
}

/** What became of an order, in words. */
function sentence({ status, side, origQty, executedQty, cummulativeQuoteQty, price, stopPrice }, base) {
  const did = side === "BUY" ? "Bought" : "Sold";
  const traded = `${did} ${shown(executedQty)} ${base} for ${usdc(cummulativeQuoteQty)}`;
  if (status === "FILLED") return `${traded}.`;
  if (status === "PARTIALLY_FILLED") return `${traded}; the rest of ${shown(origQty)} waits in the book.`;
  if (status === "NEW" && stopPrice) return `Your order of ${shown(origQty)} ${base} waits for ${shown(stopPrice)} USDC.`;
  if (status === "NEW") return `Your order of ${shown(origQty)} ${base} at ${shown(price)} USDC waits in the book.`;
  return Number(executedQty) > 0 ? `${traded}; the rest ended.` : "Nothing traded, and the order ended.";
}
