// What stands ahead of an order, by the documented stream of all orders.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Queues } from "../../web/market/queues.js";

function filled() {
  const queues = new Queues(2);
  queues.heard({ e: "l3Snapshot", u: 1, bids: [[1, "10.00", "1.00"], [4, "10.00", "2.50"], [2, "9.99", "3.00"]], asks: [[3, "10.01", "5.00"]] });
  return queues;
}

test("an order waits behind the earlier ones at its price and side", () => {
  const queues = filled();
  queues.heard({ e: "l3", u: 2, c: [["A", 7, "B", "10.00", "1.00", "3.50"], ["A", 8, "S", "10.00", "1.00", "0.00"]] });
  assert.deepEqual([1, 4, 7, 2, 3, 8].map((id) => queues.ahead(id)), [0, 100, 350, 0, 0, 0]);
  assert.equal(queues.ahead(99), null);
});

test("a fill or a cut moves those behind it forward, and an order that is gone is not known", () => {
  const queues = filled();
  queues.heard({ e: "l3", u: 2, c: [["M", 1, "0.40"]] });
  assert.deepEqual([queues.ahead(1), queues.ahead(4)], [0, 40]);
  queues.heard({ e: "l3", u: 3, c: [["D", 1], ["M", 99, "1.00"], ["D", 98]] });
  assert.deepEqual([queues.ahead(1), queues.ahead(4)], [null, 0]);
});

test("a new snapshot forgets the old orders", () => {
  const queues = filled();
  queues.heard({ e: "l3Snapshot", u: 9, bids: [[4, "10.00", "2.50"]], asks: [] });
  assert.deepEqual([queues.ahead(1), queues.ahead(4), queues.ahead(3)], [null, 0, null]);
});
