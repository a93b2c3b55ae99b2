// Who may buy a property, in words, and what it paid.

import { rate, units, USDC_DECIMALS } from "../shell/numbers.js";

export const REGIMES = {
  OPEN: { name: "Verified investors", text: "Whoever has proved their identity, in the countries that are allowed." },
  REG_D_506C: { name: "Accredited investors", text: "Accredited investors only (Reg D 506(c))." },
  REG_S: { name: "Outside the United States", text: "Investors outside the United States only (Reg S)." },
};

/** Dividends of twelve months, as part of the valuation. */
export function rateOf({ dividends_usdc: dividends, valuation_usdc: valuation }) {
  return rate(dividends, units(valuation, USDC_DECIMALS));
}
