// Decimal text as whole units and back, and as people read it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { basisPoints, change, decimal, percent, rate, short, shown, units, usdc } from "../../web/shell/numbers.js";

test("decimal text becomes whole units exactly, and back", () => {
  assert.equal(units("9007199254740993.000001", 6), 9007199254740993000001n);
  assert.equal(decimal(9007199254740993000001n, 6), "9007199254740993.000001");
  assert.equal(units("-0.5", 2), -50n);
  assert.equal(decimal(-50n, 2), "-0.50");
  assert.equal(decimal(7n, 0), "7");
  assert.equal(units("1.500", 2), 150n);
});

test("what is no decimal number, or too precise, is refused", () => {
  for (const text of ["", "1e3", "NaN", ".5", "1.", "1,5", "0x1", "--1"]) assert.throws(() => units(text, 6), RangeError);
  assert.throws(() => units("1.001", 2), RangeError);
});

test("people see separators and no needless zeros, and nothing is rounded", () => {
  assert.equal(shown("1234567.120000", 2), "1,234,567.12");
  assert.equal(shown("1000", 2), "1,000.00");
  assert.equal(shown("0.123456", 2), "0.123456");
  assert.equal(shown("12.00"), "12");
  assert.equal(usdc("1234.5"), "1,234.50 USDC");
  assert.equal(usdc(null), "–");
  assert.equal(basisPoints(150), "1.5 %");
  assert.equal(percent(1n, 3n), "33.33 %");
  assert.equal(percent(1n, 0n), "–");
  assert.equal(short("0x1234567890abcdef"), "0x1234…cdef");
});

test("what paid is a rate, and what has not paid has none", () => {
  assert.equal(rate("5.000000", 100_000_000n), "5.00 %");
  assert.equal(rate("0.000000", 100_000_000n), "no dividend");
});

test("a change has its sign and two decimals", () => {
  assert.deepEqual(["-0.192", "0.030", "1.5", "-12"].map(change), ["-0.19 %", "+0.03 %", "+1.50 %", "-12.00 %"]);
});
