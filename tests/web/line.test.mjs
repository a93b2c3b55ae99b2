// A connection says how it is: silence alone means nothing, an answer that does not come does, and what is lost is tried again.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Line } from "../../web/market/line.js";

let sockets;
let clockMs;
let states;

class Socket {
  static OPEN = 1;

  constructor() {
    this.readyState = 0;
    this.sent = [];
    sockets.push(this);
  }

  open() {
    this.readyState = Socket.OPEN;
    this.onopen();
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
  }
}

function pass(ms) {
  for (let step = 0; step < ms; step += 500) {
    clockMs += 500;
    mock.timers.tick(500);
  }
}

function begun() {
  const line = new Line("ws://exchange", { method: "ping" }, { opened() {}, received() {}, state: (state) => states.at(-1) !== state && states.push(state) });
  line.start();
  sockets[0].open();
  return line;
}

const answer = (socket) => socket.onmessage({ data: "{}" });

beforeEach(() => {
  [sockets, clockMs, states] = [[], 0, []];
  globalThis.WebSocket = Socket;
  mock.timers.enable({ apis: ["setInterval", "setTimeout"] });
  mock.method(performance, "now", () => clockMs);
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

test("a quiet market that answers our questions is live", () => {
  const line = begun();
  for (let asked = 1; asked <= 5; asked += 1) {
    answer(sockets[0]);
    pass(2_000);
    assert.equal(sockets[0].sent.length, asked + 1);
  }
  assert.deepEqual(states, ["connecting", "live"]);
  line.stop();
});

test("one that answers nothing is stale, then lost, then tried again", () => {
  const line = begun();
  answer(sockets[0]);
  pass(9_000);
  assert.deepEqual(states, ["connecting", "live", "stale"]);
  answer(sockets[0]);
  assert.equal(states.at(-1), "live");
  pass(20_000);
  assert.ok(states.includes("lost"));
  pass(2_000);
  assert.ok(sockets.length > 1);
  line.stop();
});

test("a closed connection is lost at once, and nothing is sent on it", () => {
  const line = begun();
  sockets[0].readyState = 3;
  sockets[0].onclose();
  assert.equal(states.at(-1), "lost");
  assert.equal(line.send({ method: "order.place" }), null);
  line.stop();
});
