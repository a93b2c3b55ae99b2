// The market page, first as it loads and then under 20 book updates a second of 40 levels each, for ten seconds: when it can be
// used, what a frame's work costs its thread, which frames are lost, and how many bytes the page is. The exchange is played
// here, so that nothing but the page is measured.
//
//   DEEDBOOK_URL=http://127.0.0.1:8080 CHROMIUM=/usr/bin/chromium node bench/page_frames.mjs

import { launch, reader, URL_OF_PAGES } from "../tests/web/browser/browser.mjs";

const UPDATES_A_SECOND = 20;
const SECONDS = 10;
const LEVELS = 200;
const CHANGED = 40;
const FRAME_MS = 1_000 / 60;
const QUIET_MS = 2_000; // without a long task: the page is taken to be done with its start
const price = (ticks) => (ticks / 100).toFixed(2);

/** A book around 100.00 whose quantities change by a rule, not by chance: each run is the same. */
function side(isBuy, update, count) {
  return Array.from({ length: count }, (_, index) => [price(isBuy ? 9_999 - index : 10_001 + index), ((((update * 7 + index * 13) % 90) + 10) / 10).toFixed(2)]);
}

/** Plays the exchange; answers how many updates were sent, and how to stop. */
async function play(page) {
  let update = 1;
  let sent = 0;
  let timer = 0;
  await page.route("**/api/v3/depth?*", (route) => route.fulfill({
    json: { lastUpdateId: update, bids: side(true, 0, LEVELS), asks: side(false, 0, LEVELS) }, headers: { "Access-Control-Allow-Origin": "*" },
  }));
  await page.routeWebSocket(/\/stream\?/, (socket) => {
    socket.onMessage((text) => socket.send(JSON.stringify({ result: null, id: JSON.parse(text).id })));
    clearInterval(timer);
    timer = setInterval(() => {
      const first = update + 1;
      update += 1;
      sent += 1;
      const data = { e: "depthUpdate", E: Date.now(), s: "OAK12USDC", U: first, u: update, b: side(true, update, CHANGED / 2), a: side(false, update, CHANGED / 2) };
      const trade = { e: "trade", E: Date.now(), s: "OAK12USDC", t: 1_000_000 + update, p: price(10_000 + (update % 3)), q: "0.10", T: Date.now(), m: update % 2 === 0 };
      socket.send(JSON.stringify({ stream: "oak12usdc@depth@100ms", data }));
      socket.send(JSON.stringify({ stream: "oak12usdc@trade", data: trade }));
    }, 1_000 / UPDATES_A_SECOND);
  });
  return { sent: () => sent, stop: () => clearInterval(timer) }; // a socket of a page that is gone tells nobody that it closed
}

/** Runs in the page before anything of it: keeps its long tasks, and when it was first painted. */
function watch() {
  globalThis.seen = { longTasks: [], firstPaintMs: null };
  const each = (type, keep) => new PerformanceObserver((list) => list.getEntries().forEach(keep)).observe({ type, buffered: true });
  each("longtask", ({ startTime, duration }) => globalThis.seen.longTasks.push({ startTime, endTime: startTime + duration }));
  each("paint", ({ name, startTime }) => {
    if (name === "first-contentful-paint") globalThis.seen.firstPaintMs = startTime;
  });
}

/** Times since the page was asked for: painted, usable (a key reaches the ticket), and the end of the last long task of the start. */
async function load(page) {
  await page.addInitScript(watch);
  await page.goto(`${URL_OF_PAGES}/market#OAK12USDC`);
  await page.locator('.market[data-feed="live"]').waitFor();
  await page.keyboard.press("b");
  const inputMs = await page.evaluate(() => new Promise((resolve) => {
    const look = () => (document.activeElement?.id === "ticket-quantity" ? resolve(performance.now()) : requestAnimationFrame(look));
    look();
  }));
  await page.keyboard.press("Escape");
  await page.waitForFunction((quietMs) => performance.now() - Math.max(0, ...globalThis.seen.longTasks.map(({ endTime }) => endTime)) > quietMs, QUIET_MS);
  return page.evaluate((firstInputMs) => {
    const files = performance.getEntriesByType("resource").filter(({ name }) => name.startsWith(location.origin));
    const [document] = performance.getEntriesByType("navigation");
    const { longTasks, firstPaintMs } = globalThis.seen;
    return {
      files: files.length + 1, bytes: files.reduce((sum, file) => sum + file.transferSize, document.transferSize),
      dom_ready_ms: document.domContentLoadedEventEnd, first_paint_ms: firstPaintMs, first_input_handled_ms: firstInputMs,
      interactive_ms: Math.max(document.domContentLoadedEventEnd, ...longTasks.map(({ endTime }) => endTime)),
    };
  }, inputMs);
}

/** Frames whose callback came more than half a frame late, counted as the frames that were lost; and long tasks. */
function frames({ ms, frameMs }) {
  return new Promise((resolve) => {
    const tasks = globalThis.seen.longTasks.length;
    let [begun, before, shown, lost] = [null, null, 0, 0];
    const next = (now) => {
      begun ??= now;
      if (before !== null) lost += Math.max(0, Math.round((now - before) / frameMs) - 1);
      before = now;
      shown += 1;
      if (now - begun < ms) requestAnimationFrame(next);
      else resolve({ frames: shown, frames_dropped: lost, tasks_over_50_ms: globalThis.seen.longTasks.length - tasks });
    };
    requestAnimationFrame(next);
  });
}

const browser = await launch();
try {
  const page = await reader(browser);
  const exchange = await play(page);
  const loaded = await load(page);
  const metrics = await page.context().newCDPSession(page);
  await metrics.send("Performance.enable", { timeDomain: "threadTicks" }); // the thread's own CPU time, whoever else works
  const cost = async () => Object.fromEntries((await metrics.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
  const [before, sentBefore] = [await cost(), exchange.sent()];
  const shown = await page.evaluate(frames, { ms: SECONDS * 1_000, frameMs: FRAME_MS });
  const [after, updates] = [await cost(), exchange.sent() - sentBefore];
  const spentMs = (name) => ((after[name] - before[name]) * 1_000) / updates;
  exchange.stop();
  console.log(JSON.stringify({
    ...loaded, updates, tasks_ms_an_update: spentMs("TaskDuration"), script_ms_an_update: spentMs("ScriptDuration"),
    layout_and_style_ms_an_update: spentMs("LayoutDuration") + spentMs("RecalcStyleDuration"), frame_ms: FRAME_MS, ...shown,
  }, (_, value) => (typeof value === "number" ? Math.round(value * 100) / 100 : value), 2));
} finally {
  await browser.close();
}
