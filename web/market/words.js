// What the list and the page of a market say in the same words.

import { rate, USDC_DECIMALS } from "../shell/numbers.js";

export const PHASES = { TRADING: "Trading", HALT: "Cancel only", BREAK: "Halted", AUCTION_MATCH: "Auction", PRE_TRADING: "Pre-open" };
export const CALLED = ["AUCTION_MATCH", "PRE_TRADING"]; // phases in which an auction is called

/** Paid in twelve months for the whole supply, of what the supply costs at a price in ticks. */
export function yieldOf(market, priceTicks, priceDecimals) {
  if (!market?.property) return "–";
  const worth = BigInt(priceTicks) * BigInt(market.property.supply_tokens) * 10n ** BigInt(USDC_DECIMALS - priceDecimals);
  return rate(market.property.dividends_usdc, worth);
}
