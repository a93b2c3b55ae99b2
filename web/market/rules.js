// What an order would hold and cost, and why the exchange would refuse it: the rules of docs/rules.md, before it is sent.

import { decimal, fromUnits, units, USDC_DECIMALS } from "../shell/numbers.js";

const LIMITED = ["GTC", "DAY", "GTD", "IOC", "FOK"];
export const TYPES = {
  LIMIT: { name: "Limit", hasPrice: true, inForce: LIMITED },
  LIMIT_MAKER: { name: "Post only", hasPrice: true, inForce: ["GTC", "DAY", "GTD"] },
  MARKET: { name: "Market", inForce: [] },
  STOP_LOSS: { name: "Stop", hasStop: true, inForce: [] },
  STOP_LOSS_LIMIT: { name: "Stop limit", hasStop: true, hasPrice: true, inForce: LIMITED },
  TAKE_PROFIT: { name: "Take profit", hasStop: true, inForce: [] },
  TAKE_PROFIT_LIMIT: { name: "Take profit limit", hasStop: true, hasPrice: true, inForce: LIMITED },
  OCO: { name: "Limit or stop (OCO)", hasStop: true, hasPrice: true, inForce: [], isPair: true }, // two orders, of which one ends the other
};
const ICEBERGS = ["LIMIT", "LIMIT_MAKER"];
const RESTING = ["GTC", "GTD", "DAY"];
const ICEBERG_PARTS_MAX = 100n;
const BPS = 10_000n;

/** Whether an order may show a part of itself at a time. */
export function mayHide({ type, inForce }) {
  return ICEBERGS.includes(type) && RESTING.includes(inForce);
}

/** floor and ceiling of `rate` basis points of micros: a fee that is paid is floored, one that is held is ceiled. */
const paid = (micros, bps) => (micros * BigInt(bps)) / BPS;
const held = (micros, bps) => (micros * BigInt(bps) + BPS - 1n) / BPS;

/**
 * An order's notional, fee, hold and refusals.
 *
 * order       {side, type, price, stopPrice, quantity, quoteQuantity, display, inForce, expiresAt}: texts as typed; "" where not
 *             given
 * instrument  of the trading API; `market`: rates and tick value of /markets
 * book        {bid, ask, last}: the best prices and the last trade's in ticks, or null
 * funds       {cash, tokens, locked, release}: free, and of the tokens those that are locked up and when fewer are, as texts;
 *             null where the reader has no account
 * Answers {limit, notional, fee, rate, hold: {amount, asset}, refusals: [{field, text, lack}], isTaking}: the worst price in
 * ticks and amounts in micros or lots, all BigInt and null where not known yet, and the fee's rate in basis points
 */
export function judge(order, instrument, market, book, funds) {
  const refusals = [];
  const say = (field, text, lack) => refusals.push({ field, text, lack });
  const read = (text, decimals, step, field, name) => {
    if (text === "") {
      say(field, `The ${name} is missing.`);
      return null;
    }
    try {
      const count = units(text, decimals);
      if (count <= 0n) say(field, `The ${name} must be more than nothing.`);
      else if (count % units(step, decimals) !== 0n) say(field, `The ${name} goes in steps of ${step}.`);
      else return count;
    } catch (error) {
      say(field, `${name.charAt(0).toUpperCase()}${name.slice(1)}: ${error.message}`);
    }
    return null;
  };
  const isBuy = order.side === "BUY";
  const { hasPrice, hasStop, isPair } = TYPES[order.type];
  const byQuote = order.type === "MARKET" && isBuy && Boolean(order.quoteQuantity);
  const stop = hasStop ? read(order.stopPrice, instrument.priceDecimals, instrument.tickSize, "stopPrice", "stop price") : null;
  const price = hasPrice ? read(order.price, instrument.priceDecimals, instrument.tickSize, "price", "price") : null;
  const lots = byQuote ? null : read(order.quantity, instrument.qtyDecimals, instrument.stepSize, "quantity", "quantity");
  const quote = byQuote ? read(order.quoteQuantity, USDC_DECIMALS, "0.000001", "quantity", "amount") : null;
  const highest = units(instrument.maxPrice, instrument.priceDecimals);
  for (const [field, ticks] of [["stopPrice", stop], ["price", price]]) {
    if (ticks !== null && ticks > highest) say(field, `The highest price here is ${instrument.maxPrice}.`);
  }
  if (lots !== null && lots > units(instrument.maxQty, instrument.qtyDecimals)) say("quantity", `One order may have ${instrument.maxQty} tokens.`);
  if (order.display) sayDisplay(read(order.display, instrument.qtyDecimals, instrument.stepSize, "display", "shown part"), lots, instrument, say);
  const opposite = isBuy ? book.ask : book.bid;
  const isTaking = !(hasStop && !isPair) && opposite !== null && price !== null && (isBuy ? price >= BigInt(opposite) : price <= BigInt(opposite));
  if (order.type === "LIMIT_MAKER" && isTaking) say("price", "It would trade at once, and you asked that it only rests: choose another price.");
  if (isPair && price !== null && (isTaking || isBeyond(book.last, price, isBuy))) say("price", `The limit must be ${isBuy ? "below" : "above"} the market.`);
  if (order.type === "MARKET" && opposite === null) say("quantity", "Nobody is on the other side of the book now.");
  if (stop !== null && hasReached(book.last, stop, order)) {
    say("stopPrice", `The last trade's price has reached it already: choose a stop price ${mustRise(order) ? "above" : "below"} ${fromUnits(book.last, instrument.priceDecimals)}.`);
  }
  if (order.inForce === "GTD" && !(Date.parse(order.expiresAt) > Date.now())) say("expiresAt", "Choose a time to come.");

  const tickValue = units(market.tick_value_usdc, USDC_DECIMALS);
  const dearest = isPair && isBuy; // the pair holds once, for the dearer of the two
  const limit = hasPrice && !dearest ? price : collar(hasStop ? stop : opposite, isBuy, market, instrument);
  const notional = quote ?? (limit !== null && lots !== null ? limit * lots * tickValue : null);
  const isFloored = order.type !== "MARKET" || byQuote; // a market order by tokens has no least worth
  if (isFloored && notional !== null && notional < units(instrument.minNotional, USDC_DECIMALS)) say("quantity", `An order is worth at least ${instrument.minNotional} USDC.`);
  const hold = isBuy
    ? { asset: "USDC", amount: notional === null ? null : notional + held(notional, market.hold_fee_bps) }
    : { asset: instrument.base, amount: lots };
  if (funds && hold.amount !== null) {
    const free = isBuy ? units(funds.cash, USDC_DECIMALS) : units(funds.tokens, instrument.qtyDecimals);
    const lack = hold.amount - free;
    if (lack > 0n) {
      const decimals = isBuy ? USDC_DECIMALS : instrument.qtyDecimals;
      say("quantity", `${isBuy ? "Cash" : "Tokens"}: ${decimal(lack, decimals)} ${hold.asset} are missing.`, { asset: hold.asset, amount: decimal(lack, decimals) });
    } else if (!isBuy && lack + units(funds.locked, instrument.qtyDecimals) > 0n) {
      const left = free - units(funds.locked, instrument.qtyDecimals);
      say("quantity", `You can sell ${decimal(left > 0n ? left : 0n, instrument.qtyDecimals)} ${hold.asset} now: ${funds.locked} are locked up, the first of them until ${funds.release}.`);
    }
  }
  const rate = order.type === "MARKET" || hasStop || isTaking ? market.taker_fee_bps : market.maker_fee_bps;
  return { limit, notional, hold, refusals, isTaking, rate, fee: notional === null ? null : paid(notional, rate) };
}

/** Why a part of so many lots cannot be what is shown of all. */
function sayDisplay(display, lots, { qtyDecimals }, say) {
  if (display === null || lots === null) return;
  if (display >= lots) say("display", "What is shown at a time must be less than the quantity.");
  const least = (lots + ICEBERG_PARTS_MAX - 1n) / ICEBERG_PARTS_MAX;
  if (display < least) say("display", `It would have more than ${ICEBERG_PARTS_MAX} parts: show at least ${fromUnits(least, qtyDecimals)}.`);
}

/** Whether the last trade's price has to rise to a stop's, or to fall to it. */
export function mustRise({ side, type }) {
  return (side === "BUY") === (type.startsWith("STOP_LOSS") || type === "OCO");
}

/** Whether the last price is not on the side of a limit from which it can still come to it. */
function isBeyond(last, price, isBuy) {
  return last !== null && (isBuy ? price >= BigInt(last) : price <= BigInt(last));
}

function hasReached(last, stop, order) {
  if (last === null) return false;
  return mustRise(order) ? BigInt(last) >= stop : BigInt(last) <= stop;
}

/** The price in ticks that an order without a limit goes to at most: from the best one or its stop price, by the collar. */
function collar(from, isBuy, market, instrument) {
  if (from === null) return null;
  const best = BigInt(from);
  const reach = BigInt(market.market_collar_bps);
  const most = units(instrument.maxPrice, instrument.priceDecimals);
  if (isBuy) {
    const moved = (best * (BPS + reach)) / BPS;
    return moved < most ? moved : most;
  }
  const moved = (best * (BPS - reach) + BPS - 1n) / BPS;
  return moved > 0n ? moved : 1n;
}
