// The market page under 20 book updates a second of 40 levels each, for ten seconds: what a frame's work costs its thread, and
// how many bytes the page is. The exchange is played here, so that nothing but the page is measured.
//
//   DEEDBOOK_URL=http://127.0.0.1:8080 CHROMIUM=/usr/bin/chromium node bench/page_frames.mjs

import { launch, reader, URL_OF_PAGES } from "../tests/web/browser/browser.mjs";

const UPDATES_A_SECOND = 20;
const SECONDS = 10;
const LEVELS = 200;
const CHANGED = 40;
const FRAME_MS = 1_000 / 60;
const price = (ticks) => (ticks / 100).toFixed(2);

/** A book around 100.00 whose quantities change by a rule, not by chance: each run is the same. */
function side(isBuy, update, count) {
  return Array.from({ length: count }, (_, index) => [price(isBuy ? 9_999 - index : 10_001 + index), ((((update * 7 + index * 13) % 90) + 10) / 10).toFixed(2)]);
}

async function play(page) {
  let update = 1;
  let sent = 0;
  await page.route("**/api/v3/depth?*", (route) => route.fulfill({
    json: { lastUpdateId: update, bids: side(true, 0, LEVELS), asks: side(false, 0, LEVELS) }, headers: { "Access-Control-Allow-Origin": "*" },
  }));
  await page.routeWebSocket(/\/stream\?/, (socket) => {
    socket.onMessage((text) => socket.send(JSON.stringify({ result: null, id: JSON.parse(text).id })));
    const timer = setInterval(() => {
      const first = update + 1;
      update += 1;
      sent += 1;
      const data = { e: "depthUpdate", E: Date.now(), s: "OAK12USDC", U: first, u: update, b: side(true, update, CHANGED / 2), a: side(false, update, CHANGED / 2) };
      const trade = { e: "trade", E: Date.now(), s: "OAK12USDC", t: 1_000_000 + update, p: price(10_000 + (update % 3)), q: "0.10", T: Date.now(), m: update % 2 === 0 };
      socket.send(JSON.stringify({ stream: "oak12usdc@depth@100ms", data }));
      socket.send(JSON.stringify({ stream: "oak12usdc@trade", data: trade }));
    }, 1_000 / UPDATES_A_SECOND);
    socket.onClose(() => clearInterval(timer));
  });
  return () => sent;
}

const browser = await launch();
try {
  const page = await reader(browser);
  const sent = await play(page);
  const metrics = await page.context().newCDPSession(page);
  await metrics.send("Performance.enable", { timeDomain: "threadTicks" }); // the thread's own CPU time, whoever else works
  const cost = async () => Object.fromEntries((await metrics.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
  await page.goto(`${URL_OF_PAGES}/market#OAK12USDC`);
  await page.locator('.market[data-feed="live"]').waitFor();
  await page.waitForTimeout(2_000);
  const load = await page.evaluate(() => {
    const files = performance.getEntriesByType("resource").filter(({ name }) => name.startsWith(location.origin));
    const [document] = performance.getEntriesByType("navigation");
    return { files: files.length + 1, bytes: files.reduce((sum, file) => sum + file.transferSize, document.transferSize), domReadyMs: document.domContentLoadedEventEnd };
  });
  const [before, sentBefore] = [await cost(), sent()];
  const long = await page.evaluate((ms) => new Promise((resolve) => {
    const works = [];
    new PerformanceObserver((list) => works.push(...list.getEntries().map(({ duration }) => duration))).observe({ entryTypes: ["longtask"] });
    setTimeout(() => resolve(works), ms);
  }), SECONDS * 1_000);
  const [after, updates] = [await cost(), sent() - sentBefore];
  const spentMs = (name) => ((after[name] - before[name]) * 1_000) / updates;
  console.log(JSON.stringify({
    updates, tasks_ms_an_update: spentMs("TaskDuration"), script_ms_an_update: spentMs("ScriptDuration"),
    layout_and_style_ms_an_update: spentMs("LayoutDuration") + spentMs("RecalcStyleDuration"), frame_ms: FRAME_MS, tasks_over_50_ms: long.length, ...load,
  }, (_, value) => (typeof value === "number" ? Math.round(value * 100) / 100 : value), 2));
} finally {
  await browser.close();
}
