// A websocket that says how it is: "connecting", "live", "stale" (connected, but nothing comes, not even the answer to our
// own question), or "lost" (it will try again).

const ASK_EVERY_MS = 2_000;
const STALE_AFTER_MS = 5_000;
const LOST_AFTER_MS = 15_000;
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000];

export class Line {
  #socket = null;
  #timer = 0;
  #retry = 0;
  #retries = 0;
  #askedAt = null; // when we asked for a sign of life and have had none since
  #ids = 0;

  /** `on` has opened(), received(message) and state(text); `question` is {method}, asked for a sign of life. */
  constructor(url, question, on) {
    this.url = url;
    this.question = question;
    this.on = on;
  }

  start() {
    this.on.state("connecting");
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    this.#askedAt = performance.now();
    socket.onopen = () => {
      this.#retries = 0;
      this.#ask();
      this.on.opened();
    };
    socket.onmessage = ({ data }) => this.#received(JSON.parse(data));
    socket.onclose = () => this.#lost(socket);
    this.#timer = setInterval(() => this.#look(), ASK_EVERY_MS);
  }

  stop() {
    clearTimeout(this.#retry);
    clearInterval(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Sends a request with an id of its own, which is answered; null where there is no connection. */
  send(request) {
    if (!this.isOpen) return null;
    const id = ++this.#ids;
    this.#socket.send(JSON.stringify({ id, ...request }));
    return id;
  }

  #received(message) {
    this.#askedAt = null;
    this.on.state("live");
    this.on.received(message);
  }

  /** A quiet market sends nothing, so silence alone means nothing: we ask, and wait for the answer. */
  #look() {
    const silentMs = this.#askedAt === null ? 0 : performance.now() - this.#askedAt;
    if (silentMs > LOST_AFTER_MS) this.#lost(this.#socket);
    else if (silentMs > STALE_AFTER_MS) this.on.state("stale");
    else if (this.#askedAt === null) this.#ask();
  }

  #ask() {
    if (this.send(this.question) !== null) this.#askedAt = performance.now();
  }

  #lost(socket) {
    if (socket === null || socket !== this.#socket) return;
    this.stop();
    this.on.state("lost");
    const waitMs = RETRY_MS[Math.min(this.#retries, RETRY_MS.length - 1)];
    this.#retries += 1;
    this.#retry = setTimeout(() => this.start(), waitMs * (0.75 + Math.random() / 2));
  }
}
