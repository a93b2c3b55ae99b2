// The market page: choose an instrument, see its book and trades live, and see when they are not.

import { Api } from "./api.js";
import { drawDepth, drawPrices } from "./charts.js";
import { fromUnits, toUnits } from "./decimals.js";
import { Ladder, Tape } from "./ladder.js";
import { LiveMarket } from "./live.js";
import { dayText, zoneName } from "./times.js";

const LEVELS = 14;
const DEPTH_LEVELS = 400;
const TRADES_SHOWN = 40;
const STEPS = [1, 5, 10, 50, 100];
const LIST_EVERY_MS = 15_000;
const STATES = {
  connecting: "Connecting",
  live: "Live",
  syncing: "Loading the book",
  stale: "Stale: nothing received",
  lost: "Disconnected, trying again",
};
const PHASES = { HALT: "Cancel only", BREAK: "Halted" };

const at = (id) => document.getElementById(id);
const ladder = new Ladder(at("asks"), at("bids"), LEVELS);
const tape = new Tape(at("trades"), TRADES_SHOWN);
let websocketUrl = "";
let api = null;
let instruments = [];
let market = null;
let isDrawing = false;

function notice(text) {
  at("notice").textContent = text;
  at("notice").hidden = text === "";
}

function draw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    if (market) show(market);
  });
}

function show({ book, trades, instrument, shownState }) {
  document.body.dataset.feed = shownState;
  if (at("feed").textContent !== STATES[shownState]) at("feed").textContent = STATES[shownState];
  const step = Number(at("step").value) || 1;
  const [asks, bids] = [book.levels(false, LEVELS, step), book.levels(true, LEVELS, step)];
  ladder.show(asks, bids, instrument);
  showBest(book, instrument);
  showLast(trades, instrument);
  tape.show(trades.slice(-TRADES_SHOWN).reverse(), instrument);
  at("no-trades").hidden = trades.length > 0 || !book.isReady;
  drawPrices(at("chart"), trades, instrument.priceDecimals);
  at("chart-span").textContent = trades.length > 1 ? `${trades.length} trades, ${dayText(trades.at(-1).timeMs)}` : "";
  const [allBids, allAsks] = [book.levels(true, DEPTH_LEVELS), book.levels(false, DEPTH_LEVELS)];
  drawDepth(at("depth"), allBids, allAsks, instrument.priceDecimals);
  at("depth-span").textContent = `${allBids.length + allAsks.length} price levels`;
}

function showBest(book, { priceDecimals }) {
  const [[bid] = [], [ask] = []] = [book.levels(true, 1)[0], book.levels(false, 1)[0]];
  const text = (price) => (price === undefined ? "–" : fromUnits(price, priceDecimals));
  at("bid").textContent = text(bid);
  at("ask").textContent = text(ask);
  const spread = bid === undefined || ask === undefined ? null : ask - bid;
  const points = spread === null ? "" : `${((20_000 * spread) / (ask + bid)).toFixed(1)} bp`;
  at("spread").textContent = spread === null ? "–" : `${fromUnits(spread, priceDecimals)} (${points})`;
  at("middle-spread").textContent = points;
}

function showLast(trades, { symbol, priceDecimals }) {
  const last = trades.at(-1);
  if (!last) {
    at("last").textContent = at("middle").textContent = "–";
    at("last").className = at("middle").className = "";
    document.title = `${symbol} · Deedbook`;
    return;
  }
  const before = trades.findLast((trade) => trade.price !== last.price)?.price ?? last.price;
  const text = fromUnits(last.price, priceDecimals);
  at("last").className = at("middle").className = last.price > before ? "up" : last.price < before ? "down" : "";
  at("last").textContent = at("middle").textContent = text;
  document.title = `${text} ${symbol} · Deedbook`;
}

function showPhase() {
  const phase = PHASES[market?.instrument.status];
  at("phase").hidden = !phase;
  at("phase").textContent = phase ?? "";
}

function choose(symbol) {
  const instrument = instruments.find((each) => each.symbol === symbol) ?? instruments[0];
  if (!instrument || market?.instrument.symbol === instrument.symbol) return;
  market?.stop();
  tape.clear();
  at("symbol").value = instrument.symbol;
  at("size-unit").textContent = at("tape-unit").textContent = `Size (${instrument.base})`;
  fillSteps(instrument);
  history.replaceState(null, "", `#${instrument.symbol}`);
  market = new LiveMarket(instrument, api, websocketUrl, draw);
  market.start();
  showPhase();
  draw();
}

function fillSteps({ tickSize, priceDecimals }) {
  const tick = toUnits(tickSize, priceDecimals);
  at("step").replaceChildren(
    ...STEPS.map((count) => new Option(fromUnits(tick * count, priceDecimals), String(tick * count))),
  );
}

/** The list of instruments and their phases; asked again now and then, as either may change. */
async function list() {
  try {
    instruments = await api.instruments();
    notice(instruments.length ? "" : "No instrument is listed yet. This page will show the first as soon as it is.");
    const known = new Set([...at("symbol").options].map((option) => option.value));
    for (const { symbol, base } of instruments) {
      if (!known.has(symbol)) at("symbol").append(new Option(`${base} / USDC`, symbol));
    }
    if (!market) choose(decodeURIComponent(location.hash.slice(1)));
    const current = instruments.find(({ symbol }) => symbol === market?.instrument.symbol);
    if (current) market.instrument.status = current.status;
    showPhase();
  } catch (error) {
    console.warn("the list of instruments did not come:", error.message);
    if (!market) notice("The exchange does not answer. This page keeps trying.");
  }
  setTimeout(list, market ? LIST_EVERY_MS : 2_000);
}

async function start() {
  at("zone").textContent = zoneName();
  at("symbol").addEventListener("change", () => choose(at("symbol").value));
  at("step").addEventListener("change", draw);
  addEventListener("hashchange", () => choose(decodeURIComponent(location.hash.slice(1))));
  new ResizeObserver(draw).observe(at("market"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  const response = await fetch("/config.json");
  const { websocketPort, restPort } = await response.json();
  websocketUrl = `ws://${location.hostname}:${websocketPort}`;
  api = new Api(`http://${location.hostname}:${restPort}`);
  await list();
}

start().catch((error) => notice(`This page could not start: ${error.message}`));
