// Numbers of the API are decimal text. They are counted as whole units and shown with separators; no float touches them.

const PLAIN = /^-?\d+(\.\d+)?$/;
const [GROUP, POINT] = (() => {
  const parts = new Intl.NumberFormat().formatToParts(1234567.5);
  const of = (type) => parts.find((part) => part.type === type)?.value;
  return [of("group") ?? ",", of("decimal") ?? "."];
})();
export const USDC_DECIMALS = 6;

/** "100.25" with 2 decimals is 10025n. Throws RangeError for what is no decimal number or has too many digits. */
export function units(text, decimals) {
  const trimmed = String(text).trim();
  if (!PLAIN.test(trimmed)) throw new RangeError("This is not a decimal number such as 12.50.");
  const [whole, fraction = ""] = trimmed.split(".");
  if (/[1-9]/.test(fraction.slice(decimals))) throw new RangeError(`It may have ${decimals} digits after the point.`);
  return BigInt(whole + fraction.slice(0, decimals).padEnd(decimals, "0"));
}

/** 10025n with 2 decimals is "100.25", as the API takes it. */
export function decimal(count, decimals) {
  const isNegative = count < 0n;
  const digits = String(isNegative ? -count : count).padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  return (isNegative ? "-" : "") + (decimals ? `${whole}.${digits.slice(-decimals)}` : whole);
}

/** Decimal text for people: separators of theirs, zeros at the end dropped down to `least` digits. Never rounded. */
export function shown(text, least = 0) {
  const [whole, fraction = ""] = String(text).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, GROUP);
  const kept = fraction.replace(/0+$/, "").padEnd(least, "0");
  return kept ? grouped + POINT + kept : grouped;
}

/** "1234.5" is "1,234.50 USDC". */
export function usdc(text) {
  return text === null || text === undefined ? "–" : `${shown(text, 2)} USDC`;
}

export function usd(text) {
  return text === null || text === undefined ? "–" : `$${shown(text, 2)}`;
}

/** "12.00" of OAK12 is "12 OAK12". */
export function tokens(text, symbol) {
  return text === null || text === undefined ? "–" : `${shown(text)} ${symbol}`;
}

/** Basis points, a whole number: 150 is "1.5 %". */
export function basisPoints(count) {
  return `${shown(decimal(BigInt(count), 2))} %`;
}

/** part of whole, BigInts, as percent text with `decimals`, rounded down; "–" for a whole of nothing. */
export function percent(part, whole, decimals = 2) {
  if (whole === 0n) return "–";
  return `${shown(decimal((part * 100n * 10n ** BigInt(decimals)) / whole, decimals), decimals)} %`;
}

/** Dividends, decimal text of USDC, as part of a worth in units of USDC. Nothing paid is no rate of zero. */
export function rate(dividends, worth) {
  const paid = units(dividends, USDC_DECIMALS);
  return paid === 0n ? "no dividend" : percent(paid, worth);
}

/** Percent text of the API, such as "-0.192", with its sign and two decimals, cut. */
export function change(text) {
  const cut = shown(text.replace(/(\.\d\d)\d+$/, "$1"), 2);
  return `${text.startsWith("-") ? "" : "+"}${cut} %`;
}

/** An address or hash, short: its whole is for a title. */
export function short(text) {
  return text.length > 14 ? `${text.slice(0, 6)}…${text.slice(-4)}` : text;
}

// -- book levels: whole numbers below 2^53, which prices in ticks and quantities of a level are

/** "100.25" with 2 decimals is the number 10025. */
export function toUnits(text, decimals) {
  const [whole, fraction = ""] = text.split(".");
  return Number(whole + fraction.padEnd(decimals, "0").slice(0, decimals));
}

/** 10025 with 2 decimals is "100.25", with the reader's separators. */
export function fromUnits(count, decimals) {
  return shown(decimal(BigInt(count), decimals), decimals);
}

/** How many decimals a step like "0.01" has. */
export function decimalsOf(step) {
  return (step.split(".")[1] ?? "").length;
}
