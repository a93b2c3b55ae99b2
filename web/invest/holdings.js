// What a reader has, of all wallets together, with what it is worth at the last prices.

import { api, machine } from "../api.js";
import { decimal, units, USDC_DECIMALS } from "../shell/numbers.js";
import { Trading } from "../market/trading.js";

const DECIMALS = 18;
const PARTS = ["free", "held", "owed_in", "owed_out", "requested", "outside"];

function sum(holdings, part) {
  return holdings.reduce((total, holding) => total + units(holding[part] ?? "0", DECIMALS), 0n);
}

/** Sums as decimal texts of 18 digits: {symbol, free, held, owed_in, owed_out, requested, outside, total}. */
function joined(symbol, holdings) {
  const parts = Object.fromEntries(PARTS.map((part) => [part, sum(holdings, part)]));
  // What unsettled fills bring is in `free` already where it may be used at once.
  const total = parts.free + parts.held + parts.requested + parts.outside;
  return { symbol, ...Object.fromEntries(Object.entries({ ...parts, total }).map(([name, count]) => [name, decimal(count, DECIMALS)])) };
}

/** {wallets, cash, tokens: [{..., market, price, worth}], lockUps, worth}: `worth` is decimal USDC, null without a price. */
export async function holdings() {
  const { restPort } = await machine();
  const trading = new Trading(`http://${location.hostname}:${restPort}`);
  const [wallets, markets, day] = await Promise.all([api.get("/portfolio"), api.get("/markets"), trading.day().catch(() => new Map())]);
  const symbols = [...new Set(wallets.flatMap(({ tokens }) => tokens.map(({ symbol }) => symbol)))];
  const cash = joined("USDC", wallets.map((wallet) => wallet.cash));
  const marketOf = (symbol) => markets.find((each) => each.base === symbol || each.symbol === symbol);
  const lockUps = wallets.flatMap((wallet) => wallet.locked_up).map((each) => ({ ...each, base: marketOf(each.symbol)?.base ?? each.symbol, market: marketOf(each.symbol) }));
  const tokens = symbols.map((symbol) => {
    const held = joined(symbol, wallets.flatMap((wallet) => wallet.tokens.filter((token) => token.symbol === symbol)));
    const market = marketOf(symbol);
    const price = day.get(market?.symbol)?.lastPrice;
    const isPriced = price && /[1-9]/.test(price);
    const worth = isPriced ? decimal((units(held.total, DECIMALS) * units(price, USDC_DECIMALS)) / 10n ** BigInt(DECIMALS), USDC_DECIMALS) : null;
    return { ...held, base: market?.base ?? symbol, market, price: isPriced ? price : null, worth };
  });
  const micros = tokens.reduce((total, { worth }) => total + (worth ? units(worth, USDC_DECIMALS) : 0n), units(cash.total, DECIMALS) / 10n ** 12n);
  return { wallets, cash, tokens, lockUps, worth: decimal(micros, USDC_DECIMALS) };
}

/** Every page of a list that is paged by `before`; at most `most` rows. */
export async function pages(path, idOf, most = 2_000) {
  const rows = [];
  let before;
  while (rows.length < most) {
    const page = await api.get(path, { before, limit: 100 });
    rows.push(...page);
    if (page.length < 100) break;
    before = idOf(page.at(-1));
  }
  return rows;
}
