// The exchange's measures as the live page reads them: rates and shares between two readings.

import assert from "node:assert/strict";
import test from "node:test";

import { Measures, quantile, rate } from "../../web/office/measures.js";

const DURABLE = "deedbook_durable_seconds";

function text(commands, counts) {
  const bounds = ["0.001", "0.002", "0.005", "+Inf"];
  return [
    "# HELP deedbook_commands_total Commands that are durable.",
    `deedbook_commands_total ${commands}`,
    ...bounds.map((bound, index) => `${DURABLE}_bucket{le="${bound}"} ${counts[index]}`),
    `${DURABLE}_count ${counts.at(-1)}`,
  ].join("\n");
}

const before = new Measures(text(100, [10, 10, 10, 10]), 1_000);
const after = new Measures(text(160, [60, 100, 110, 110]), 3_000);

test("a rate is by the second, and never below zero after a start anew", () => {
  assert.equal(rate(before, after, "deedbook_commands_total"), 30);
  assert.equal(rate(after, new Measures(text(3, [0, 0, 0, 0]), 4_000), "deedbook_commands_total"), 0);
  assert.equal(rate(before, before, "deedbook_commands_total"), 0);
});

test("a share is of what was counted between two readings, within its step", () => {
  assert.equal(quantile(before, after, DURABLE, 0.5), 0.001);
  assert.ok(Math.abs(quantile(before, after, DURABLE, 0.9) - 0.002) < 1e-12);
  assert.ok(Math.abs(quantile(before, after, DURABLE, 0.95) - 0.0035) < 1e-12);
});

test("a quiet second has no share, and what is beyond the last step is at least that", () => {
  assert.equal(quantile(after, after, DURABLE, 0.5), null);
  const slow = new Measures(text(161, [60, 100, 110, 111]), 5_000);
  assert.equal(quantile(after, slow, DURABLE, 0.5), 0.005);
});

test("what has no line counts as nothing", () => {
  assert.equal(before.value("deedbook_trades_total"), 0);
});
