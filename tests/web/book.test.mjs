// The rules by which the page keeps its order book. Run by tests/deedbook/test_pages.py, or `node --test tests/web`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Book } from "../../web/market/book.js";
import { decimalsOf, toUnits } from "../../web/shell/numbers.js";

const difference = (U, u, b = [], a = []) => ({ U, u, b, a });
const snapshot = (lastUpdateId) => ({ lastUpdateId, bids: [["1.00", "5"]], asks: [["1.02", "7"]] });

function ready(lastUpdateId = 10) {
  const book = new Book(2, 0);
  assert.equal(book.snapshot(snapshot(lastUpdateId)), true);
  return book;
}

test("decimal strings become whole units exactly", () => {
  assert.equal(toUnits("100.25", 2), 10025);
  assert.equal(toUnits("0.07", 2), 7);
  assert.equal(toUnits("3", 0), 3);
  assert.equal(toUnits("3", 2), 300);
  assert.equal(decimalsOf("0.010"), 3);
  assert.equal(decimalsOf("1"), 0);
});

test("differences that came before the snapshot are dropped, bridged or applied", () => {
  const book = new Book(2, 0);
  assert.equal(book.difference(difference(5, 8, [["0.99", "1"]])), true);
  assert.equal(book.difference(difference(9, 12, [["1.00", "6"]])), true);
  assert.equal(book.difference(difference(13, 13, [], [["1.02", "0"], ["1.03", "2"]])), true);
  assert.equal(book.isReady, false);
  assert.equal(book.snapshot(snapshot(10)), true);
  assert.deepEqual([...book.bids], [[100, 6]]);
  assert.deepEqual([...book.asks], [[103, 2]]);
  assert.equal(book.updateId, 13);
});

test("a snapshot older than what waits is refused, and what waits is kept for the next", () => {
  const book = new Book(2, 0);
  book.difference(difference(12, 14, [["1.00", "9"]]));
  assert.equal(book.snapshot(snapshot(10)), false);
  assert.equal(book.isReady, false);
  assert.equal(book.snapshot(snapshot(11)), true);
  assert.deepEqual([...book.bids], [[100, 9]]);
});

test("a gap among what waits breaks the book", () => {
  const book = new Book(2, 0);
  book.difference(difference(11, 12));
  book.difference(difference(14, 15));
  assert.equal(book.snapshot(snapshot(10)), false);
});

test("a gap changes nothing and is told; an old difference is skipped", () => {
  const book = ready();
  assert.equal(book.difference(difference(12, 13, [["1.00", "9"]])), false);
  assert.deepEqual([...book.bids], [[100, 5]]);
  assert.equal(book.difference(difference(9, 10, [["1.00", "9"]])), true);
  assert.deepEqual([...book.bids], [[100, 5]]);
  assert.equal(book.difference(difference(11, 11, [["1.00", "0"], ["0.98", "3"]])), true);
  assert.deepEqual([...book.bids], [[98, 3]]);
  book.startOver();
  assert.equal(book.isReady, false);
});

test("levels are best first with totals, joined away from the middle", () => {
  const book = ready();
  const bids = [["1.01", "2"], ["0.99", "3"], ["0.98", "4"]];
  book.difference(difference(11, 11, bids, [["1.05", "1"], ["1.11", "9"]]));
  assert.deepEqual(book.levels(true, 2), [[101, 2, 2], [100, 5, 7]]);
  assert.deepEqual(book.levels(true, 5, 10), [[100, 7, 7], [90, 7, 14]]);
  assert.deepEqual(book.levels(false, 5, 10), [[110, 8, 8], [120, 9, 17]]);
  assert.deepEqual(book.levels(false, 1, 10), [[110, 8, 8]]);
});
