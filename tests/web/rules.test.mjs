// The ticket's rules: what an order holds and costs, and why it would be refused, by the figures of the engine's own rules.

import assert from "node:assert/strict";
import { test } from "node:test";

import { judge, mayHide } from "../../web/market/rules.js";

const INSTRUMENT = {
  base: "OAK12", tickSize: "0.01", stepSize: "0.01", maxPrice: "100000.00", maxQty: "1000000.00", minNotional: "1.000000", priceDecimals: 2, qtyDecimals: 2,
};
const MARKET = { tick_value_usdc: "0.0001", maker_fee_bps: 5, taker_fee_bps: 10, hold_fee_bps: 10, market_collar_bps: 1000 };
const BOOK = { bid: 9990, ask: 10010, last: 10000 };
const ORDER = { side: "BUY", type: "LIMIT", price: "99.95", quantity: "3", quoteQuantity: "", display: "", inForce: "GTC", expiresAt: "" };
const of = (changes, funds = null, book = BOOK) => judge({ ...ORDER, ...changes }, INSTRUMENT, MARKET, book, funds);
const fields = (judged) => judged.refusals.map(({ field }) => field);

test("a buy holds its worth and the higher fee rounded up, and pays the rate of its role rounded down", () => {
  const resting = of({ price: "0.33", quantity: "3.05" });
  assert.deepEqual([resting.notional, resting.hold, resting.fee], [1_006_500n, { asset: "USDC", amount: 1_007_507n }, 503n]);
  assert.equal(resting.isTaking, false);
  const taking = of({ price: "100.10" });
  assert.deepEqual([taking.isTaking, taking.rate, taking.notional], [true, 10, 300_300_000n]);
});

test("a sell holds its tokens", () => {
  assert.deepEqual(of({ side: "SELL", price: "101" }).hold, { asset: "OAK12", amount: 300n });
});

test("a market buy counts at its collar, by amount with its fee", () => {
  assert.equal(of({ type: "MARKET", price: "" }).notional, 11_011n * 300n * 100n);
  const byAmount = of({ type: "MARKET", price: "", quantity: "", quoteQuantity: "50" });
  assert.deepEqual([byAmount.notional, byAmount.hold.amount], [50_000_000n, 50_050_000n]);
  assert.deepEqual(fields(of({ type: "MARKET", price: "" }, null, { bid: null, ask: null, last: null })), ["quantity"]);
});

test("what the exchange would refuse is said on its field", () => {
  assert.deepEqual(fields(of({})), []);
  assert.deepEqual(fields(of({ price: "99.955" })), ["price"]);
  assert.deepEqual(fields(of({ price: "100000.01" })), ["price"]);
  assert.deepEqual(fields(of({ price: "-1", quantity: "" })), ["price", "quantity"]);
  assert.deepEqual(fields(of({ quantity: "1000000.01" })), ["quantity"]);
  assert.deepEqual(fields(of({ price: "0.01", quantity: "1" })), ["quantity"]);
  assert.deepEqual(fields(of({ type: "LIMIT_MAKER", price: "100.10" })), ["price"]);
  assert.deepEqual(fields(of({ inForce: "GTD", expiresAt: "2001-01-01T00:00" })), ["expiresAt"]);
});

test("a stop waits on the side from which the last price can still come, and a first trade is waited for", () => {
  const cases = [["BUY", "STOP_LOSS", "100.01", "100.00"], ["SELL", "STOP_LOSS", "99.99", "100.00"], ["BUY", "TAKE_PROFIT", "99.99", "100.00"], ["SELL", "TAKE_PROFIT", "100.01", "100.00"]];
  for (const [side, type, waits, reached] of cases) {
    assert.deepEqual(fields(of({ side, type, stopPrice: waits })), [], `${side} ${type}`);
    assert.deepEqual(fields(of({ side, type, stopPrice: reached })), ["stopPrice"], `${side} ${type}`);
    assert.deepEqual(fields(of({ side, type, stopPrice: reached }, null, { bid: null, ask: null, last: null })), []);
  }
});

test("a stop without a limit holds for the collar of its stop price, one with a limit for that", () => {
  const stop = of({ type: "STOP_LOSS", price: "ignored", stopPrice: "101", quantity: "2" });
  assert.deepEqual([stop.limit, stop.notional, stop.rate], [11_110n, 222_200_000n, 10]);
  assert.equal(of({ side: "SELL", type: "STOP_LOSS", stopPrice: "99.95" }).limit, 8_996n);
  const limited = of({ type: "STOP_LOSS_LIMIT", price: "102", stopPrice: "101", quantity: "2" });
  assert.deepEqual([limited.limit, limited.hold.amount, limited.isTaking], [10_200n, 204_204_000n, false]);
});

test("a stop's two prices are on the grid and not too high, and it has a least worth", () => {
  assert.deepEqual(fields(of({ type: "STOP_LOSS_LIMIT", price: "", stopPrice: "101.005" })), ["stopPrice", "price"]);
  assert.deepEqual(fields(of({ type: "STOP_LOSS", stopPrice: "100000.01" })), ["stopPrice"]);
  assert.deepEqual(fields(of({ side: "SELL", type: "STOP_LOSS", stopPrice: "0.5", quantity: "1" })), ["quantity"]);
});

test("an iceberg shows less than it is, in at most a hundred parts", () => {
  const shows = (display, quantity = "3") => fields(of({ display, quantity }));
  assert.deepEqual([shows("2.99"), shows("0.03"), shows("3"), shows("0.02"), shows("0"), shows("1", "")], [[], [], ["display"], ["display"], ["display"], ["quantity"]]);
  assert.deepEqual(["GTC", "GTD", "DAY", "IOC"].map((inForce) => mayHide({ type: "LIMIT", inForce })), [true, true, true, false]);
  assert.equal(mayHide({ type: "STOP_LOSS_LIMIT", inForce: "GTC" }), false);
});

test("missing cover is counted to the micro", () => {
  const [lack] = of({ price: "99.95", quantity: "1" }, { cash: "100.000000", tokens: "0" }).refusals;
  assert.deepEqual(lack.lack, { asset: "USDC", amount: "0.049950" });
  assert.deepEqual(of({ side: "SELL", price: "101" }, { cash: "0", tokens: "2.50" }).refusals[0].lack, { asset: "OAK12", amount: "0.50" });

test("of what is free, only what is not locked up can be sold", () => {
  const funds = { cash: "0", tokens: "5", locked: "2.5", release: "tomorrow" };
  assert.deepEqual(of({ side: "SELL", price: "101", quantity: "2.5" }, funds).refusals, []);
  const [refusal] = of({ side: "SELL", price: "101", quantity: "2.51" }, funds).refusals;
  assert.equal(refusal.text, "You can sell 2.50 OAK12 now: 2.5 are locked up, the first of them until tomorrow.");
  assert.match(of({ side: "SELL", price: "101", quantity: "1" }, { ...funds, locked: "9" }).refusals[0].text, /sell 0.00/);
});
});

test("a pair has its limit and its stop on either side of the market, and holds once for the dearer", () => {
  const pair = { type: "OCO", side: "SELL", price: "110", stopPrice: "95", inForce: null };
  const sold = of(pair);
  assert.deepEqual([fields(sold), sold.hold, sold.notional], [[], { asset: "OAK12", amount: 300n }, 330_000_000n]);
  assert.deepEqual(fields(of({ ...pair, price: "100.00" })), ["price"]);
  assert.deepEqual(fields(of({ ...pair, price: "99.90" })), ["price"]);
  assert.deepEqual(fields(of({ ...pair, stopPrice: "100.00" })), ["stopPrice"]);
  assert.deepEqual(fields(of({ ...pair, price: "" })), ["price"]);
  const bought = of({ ...pair, side: "BUY", price: "95", stopPrice: "110", quantity: "2" });
  assert.deepEqual([fields(bought), bought.limit, bought.notional], [[], 12_100n, 242_000_000n]);
  assert.deepEqual(fields(of({ ...pair, side: "BUY", price: "100.10", stopPrice: "110" })), ["price"]);
});
