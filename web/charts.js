// Two small charts, drawn whole on every change: the prices of the latest trades, and the depth on both sides.

import { fromUnits } from "./decimals.js";
import { clockText } from "./times.js";

const LABELS = 6;
const RIGHT_PX = 64;
const BOTTOM_PX = 22;
const TOP_PX = 8;

/** The canvas at the screen's own resolution; null while it is not shown. */
function surface(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (width === 0 || height === 0) return null;
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  context.font = getComputedStyle(canvas).font;
  const styles = getComputedStyle(canvas);
  const colour = (name) => styles.getPropertyValue(name).trim();
  return { context, width, height, colour };
}

/** The next of 1, 2, 5, 10, 20, 50 and so on that is no smaller. */
function roundStep(units) {
  const ten = 10 ** Math.floor(Math.log10(Math.max(units, 1)));
  return [1, 2, 5, 10].map((count) => count * ten).find((step) => step >= units);
}

function priceLabels({ context, width, height, colour }, low, high, yOf, decimals) {
  context.textAlign = "left";
  context.textBaseline = "middle";
  const step = roundStep((high - low) / LABELS);
  for (let price = Math.ceil(low / step) * step; price <= high; price += step) {
    const y = Math.round(yOf(price)) + 0.5;
    context.strokeStyle = colour("--line");
    context.beginPath();
    context.moveTo(0, y);
    context.lineTo(width - RIGHT_PX, y);
    context.stroke();
    context.fillStyle = colour("--quiet");
    context.fillText(fromUnits(price, decimals), width - RIGHT_PX + 8, Math.min(y, height - BOTTOM_PX));
  }
}

/** Trades oldest first, as steps: a price holds until the next trade. */
export function drawPrices(canvas, trades, priceDecimals) {
  const to = surface(canvas);
  if (!to || trades.length < 2) return;
  const { context, width, height, colour } = to;
  const prices = trades.map((trade) => trade.price);
  const [lowest, highest] = [Math.min(...prices), Math.max(...prices)];
  const margin = Math.max((highest - lowest) * 0.1, 1);
  const [low, high] = [lowest - margin, highest + margin];
  const [start, end] = [trades[0].timeMs, Math.max(trades.at(-1).timeMs, trades[0].timeMs + 1)];
  const xOf = (timeMs) => ((timeMs - start) / (end - start)) * (width - RIGHT_PX);
  const yOf = (price) => TOP_PX + ((high - price) / (high - low)) * (height - TOP_PX - BOTTOM_PX);
  priceLabels(to, low, high, yOf, priceDecimals);
  timeLabels(to, start, end);
  context.beginPath();
  trades.forEach((trade, index) => {
    if (index > 0) context.lineTo(xOf(trade.timeMs), yOf(trades[index - 1].price));
    else context.moveTo(xOf(trade.timeMs), yOf(trade.price));
    context.lineTo(xOf(trade.timeMs), yOf(trade.price));
  });
  context.strokeStyle = colour("--accent");
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.stroke();
  context.lineTo(xOf(end), height - BOTTOM_PX);
  context.lineTo(0, height - BOTTOM_PX);
  const shade = context.createLinearGradient(0, TOP_PX, 0, height - BOTTOM_PX);
  shade.addColorStop(0, colour("--accent-soft"));
  shade.addColorStop(1, "transparent");
  context.fillStyle = shade;
  context.fill();
  lastPrice(to, trades.at(-1).price, yOf, priceDecimals);
}

function timeLabels({ context, width, height, colour }, start, end) {
  context.fillStyle = colour("--quiet");
  context.textBaseline = "alphabetic";
  for (const [part, align] of [[0, "left"], [0.5, "center"], [1, "right"]]) {
    context.textAlign = align;
    context.fillText(clockText(start + (end - start) * part), part * (width - RIGHT_PX), height - 6);
  }
}

function lastPrice({ context, width, colour }, price, yOf, decimals) {
  const y = yOf(price);
  context.fillStyle = colour("--accent");
  context.beginPath();
  context.roundRect(width - RIGHT_PX + 2, y - 9, RIGHT_PX - 2, 18, 3);
  context.fill();
  context.fillStyle = colour("--page");
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(fromUnits(price, decimals), width - RIGHT_PX + 8, y);
}

/** Levels as the book gives them: [price, quantity, total], best first. */
export function drawDepth(canvas, bids, asks, priceDecimals) {
  const to = surface(canvas);
  if (!to || bids.length === 0 || asks.length === 0) return;
  const { context, width, height, colour } = to;
  const middle = (bids[0][0] + asks[0][0]) / 2;
  const reach = Math.max(Math.min(middle - bids.at(-1)[0], asks.at(-1)[0] - middle), 1);
  const bottom = height - BOTTOM_PX;
  const near = (levels) => levels.filter(([price]) => Math.abs(price - middle) <= reach);
  const [nearBids, nearAsks] = [near(bids), near(asks)];
  const most = Math.max(nearBids.at(-1)?.[2] ?? 0, nearAsks.at(-1)?.[2] ?? 0, 1);
  const xOf = (price) => ((price - middle + reach) / (2 * reach)) * width;
  const yOf = (total) => bottom - (total / most) * (bottom - TOP_PX);
  for (const [levels, edge, name] of [[nearBids, 0, "buy"], [nearAsks, width, "sell"]]) {
    if (levels.length === 0) continue;
    context.beginPath();
    context.moveTo(xOf(levels[0][0]), bottom);
    let before = 0;
    for (const [price, , total] of levels) {
      context.lineTo(xOf(price), yOf(before));
      context.lineTo(xOf(price), yOf(total));
      before = total;
    }
    context.lineTo(edge, yOf(before));
    context.strokeStyle = colour(`--${name}`);
    context.lineWidth = 1.5;
    context.stroke();
    context.lineTo(edge, bottom);
    context.fillStyle = colour(`--${name}-soft`);
    context.fill();
  }
  context.fillStyle = colour("--quiet");
  context.textBaseline = "alphabetic";
  for (const [price, align, x] of [[middle - reach, "left", 4], [middle, "center", width / 2], [middle + reach, "right", width - 4]]) {
    context.textAlign = align;
    context.fillText(fromUnits(Math.round(price), priceDecimals), x, height - 6);
  }
}
