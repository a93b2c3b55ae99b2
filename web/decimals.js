// Decimal strings of the trading API as whole numbers of units, and back to text for people.

const formats = new Map();

/** "100.25" with 2 decimals is 10025. Exact below 2^53, which prices and book quantities are. */
export function toUnits(text, decimals) {
  const [whole, fraction = ""] = text.split(".");
  return Number(whole + fraction.padEnd(decimals, "0").slice(0, decimals));
}

/** 10025 with 2 decimals is "100.25", with the reader's separators. */
export function fromUnits(units, decimals) {
  let format = formats.get(decimals);
  if (!format) {
    format = new Intl.NumberFormat(undefined, { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    formats.set(decimals, format);
  }
  return format.format(units / 10 ** decimals);
}

/** How many decimals a step like "0.01" has. */
export function decimalsOf(step) {
  return (step.split(".")[1] ?? "").length;
}
