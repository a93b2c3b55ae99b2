// The reader's own session with the trading API: logged on with a key whose private half never leaves this browser.

import { api, Problem } from "../api.js";
import { Line } from "./line.js";

const ANSWER_WITHIN_MS = 10_000;
const DATABASE = "deedbook-keys";

/** Runs `use` on the browser's store of keys, by name. */
async function store(mode, use) {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("keys");
  const done = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const database = await done(opening);
  try {
    return await done(use(database.transaction("keys", mode).objectStore("keys")));
  } finally {
    database.close();
  }
}

/** {apiKey, privateKey} of this reader and wallet, or undefined. */
export function keptKey(name) {
  return store("readonly", (keys) => keys.get(name));
}

export function forgetKey(name) {
  return store("readwrite", (keys) => keys.delete(name));
}

/** Makes one and registers its public half; `password` where the session has no second factor. */
export async function makeKey(name, wallet, password) {
  const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const { key } = await api.post("/api-keys", {
    kind: "ED25519",
    permissions: ["READ", "TRADE"],
    public_key: [...raw].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
    wallet,
    ...(password ? { password } : {}),
  });
  const kept = { apiKey: key, privateKey: pair.privateKey };
  await store("readwrite", (keys) => keys.put(kept, name));
  return kept;
}

async function signed(key, parameters) {
  const text = Object.keys(parameters).sort().map((name) => `${name}=${parameters[name]}`).join("&");
  const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", key.privateKey, new TextEncoder().encode(text)));
  return { ...parameters, signature: btoa(String.fromCharCode(...signature)) };
}

export class TradingSession {
  #line;
  #waiting = new Map(); // by request id: {resolve, reject, timer}

  /** `on` has ready(), event(user data event), state(text) and refused(problem) for a log-on that failed. */
  constructor(websocketUrl, key, on) {
    this.key = key;
    this.on = on;
    this.#line = new Line(`${websocketUrl}/ws-api/v3?returnRateLimits=false`, { method: "ping" }, {
      opened: () => this.logOn(),
      received: (message) => this.#received(message),
      state: (state) => this.#state(state),
    });
  }

  start() {
    this.#line.start();
  }

  stop() {
    this.#line.stop();
    this.#forget();
  }

  /** Resolves with the result; throws a Problem with the exchange's own words and reason. */
  ask(method, params = {}) {
    return new Promise((resolve, reject) => {
      const id = this.#line.send({ method, params });
      if (id === null) return reject(new Problem({ reason: "NOT_CONNECTED", detail: "There is no connection to the exchange: nothing was sent." }));
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Problem({ reason: "OUTCOME_UNKNOWN", detail: "The exchange did not answer in time: look at your orders before you try again." }));
      }, ANSWER_WITHIN_MS);
      this.#waiting.set(id, { resolve, reject, timer });
    });
  }

  /** Until it is logged on nothing of the reader's can be asked. */
  async logOn() {
    try {
      await this.ask("session.logon", await signed(this.key, { apiKey: this.key.apiKey, timestamp: Date.now() }));
      await this.ask("userDataStream.subscribe");
      await this.on.ready();
    } catch (problem) {
      this.on.refused(problem);
    }
  }

  #received(message) {
    if (message.event) return this.on.event(message.event);
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return;
    this.#waiting.delete(message.id);
    clearTimeout(waiting.timer);
    if (message.status === 200) return waiting.resolve(message.result);
    const { code, msg, data } = message.error;
    waiting.reject(new Problem({ status: message.status, reason: data?.reason ?? String(code), detail: msg, code, ...data }));
  }

  #state(state) {
    if (state === "lost") this.#forget();
    this.on.state(state);
  }

  #forget() {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new Problem({ reason: "OUTCOME_UNKNOWN", detail: "The connection was lost before the answer came: look at your orders before you try again." }));
    }
    this.#waiting.clear();
  }
}
