// Candles with volume, by lightweight-charts: history once, then the live candle of the stream.

import { CandlestickSeries, ColorType, createChart, HistogramSeries, TickMarkType } from "../lib/lightweight-charts.mjs";
import { make } from "../shell/make.js";
import { colour, whenColoursChange } from "../shell/colours.js";
import { fromUnits, toUnits } from "../shell/numbers.js";
import { empty, failed, loading } from "../shell/states.js";
import { timeText } from "../shell/times.js";

const INTERVALS = ["1m", "5m", "15m", "1h", "4h", "1d"];
const KEPT = "interval";

export class Candles {
  #chart;
  #candles;
  #volume;
  #market = null;
  #isFilled = false;

  constructor(trading) {
    this.trading = trading;
    this.interval = localStorage.getItem(KEPT) ?? "1m";
    this.place = make("div", { class: "chart-place" });
    this.cover = make("div", { class: "chart-cover" });
    this.buttons = make("div", { class: "choices", role: "group", aria: { label: "Candle width" } }, INTERVALS.map((each) =>
      make("button", { type: "button", data: { interval: each }, aria: { pressed: String(each === this.interval) }, on: { click: () => this.#choose(each) } }, each)));
    this.legend = make("p", { class: "legend", role: "status", aria: { live: "off" } });
    this.element = make("div", { class: "chart-box", role: "img", "aria-label": "Candles of the price with volume" }, this.legend, this.place, this.cover);
  }

  /** Only once the element is in the page: the chart measures it. */
  begin() {
    this.#chart = createChart(this.place, {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11 },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.08, bottom: 0.24 } },
      timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, rightOffset: 4, maxBarSpacing: 24, tickMarkFormatter: tickText },
      localization: { timeFormatter: (seconds) => timeText(seconds * 1000) },
    });
    this.#candles = this.#chart.addSeries(CandlestickSeries, {});
    this.#volume = this.#chart.addSeries(HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
    this.#chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.#chart.subscribeCrosshairMove(({ seriesData }) => this.#showLegend(seriesData.get(this.#candles), seriesData.get(this.#volume)));
    whenColoursChange(() => this.#paint());
    this.#paint();
  }

  async show(market) {
    this.#market = market;
    const { priceDecimals } = market.instrument;
    this.#candles.applyOptions({ priceFormat: { type: "price", precision: priceDecimals, minMove: 1 / 10 ** priceDecimals } });
    market.followCandles(this.interval);
    await this.#load();
  }

  async #load() {
    const market = this.#market;
    this.#isFilled = false;
    this.cover.replaceChildren(loading("Loading candles"));
    try {
      const rows = await this.trading.candles(market.instrument.symbol, this.interval);
      if (market !== this.#market) return;
      const candles = rows.map(([time, open, high, low, close, volume]) => point(time, open, high, low, close, volume));
      this.#candles.setData(candles.map(({ volume, ...candle }) => candle));
      this.#volume.setData(candles.map(bar));
      this.#chart.timeScale().fitContent();
      this.#chart.timeScale().scrollToPosition(4, false); // few candles are no wider, and stand at the right
      if (candles.length > 120) this.#chart.timeScale().setVisibleLogicalRange({ from: candles.length - 120, to: candles.length + 4 });
      this.#isFilled = true;
      this.#showLegend(candles.at(-1), candles.at(-1) && bar(candles.at(-1)));
      this.cover.replaceChildren(...(candles.length ? [] : [empty("No trade yet", "The first one draws the first candle.")]));
    } catch (problem) {
      this.cover.replaceChildren(failed(problem, () => this.#load()));
    }
  }

  /** A kline event of the stream. */
  update(kline) {
    if (!this.#isFilled || kline.i !== this.interval || kline.o === undefined) return;
    const { volume, ...candle } = point(kline.t, kline.o, kline.h, kline.l, kline.c, kline.v);
    this.#candles.update(candle);
    this.#volume.update(bar({ ...candle, volume }));
    this.cover.replaceChildren();
    this.#showLegend(candle, { value: volume });
  }

  #choose(interval) {
    this.interval = interval;
    localStorage.setItem(KEPT, interval);
    for (const button of this.buttons.children) button.setAttribute("aria-pressed", String(button.dataset.interval === interval));
    this.#market?.followCandles(interval);
    this.#load();
  }

  #showLegend(candle, volume) {
    if (!candle || !this.#market) return;
    const { priceDecimals, qtyDecimals, base } = this.#market.instrument;
    const price = (value) => fromUnits(toUnits(value.toFixed(priceDecimals), priceDecimals), priceDecimals);
    const amount = volume ? fromUnits(toUnits(volume.value.toFixed(qtyDecimals), qtyDecimals), qtyDecimals) : "–";
    this.legend.textContent = `O ${price(candle.open)}  H ${price(candle.high)}  L ${price(candle.low)}  C ${price(candle.close)}  V ${amount} ${base}`;
  }

  #paint() {
    const [buy, sell] = [colour("--buy"), colour("--sell")];
    this.#chart.applyOptions({
      layout: { background: { type: ColorType.Solid, color: "transparent" }, textColor: colour("--quiet") },
      grid: { vertLines: { color: colour("--line") }, horzLines: { color: colour("--line") } },
    });
    this.#candles.applyOptions({ upColor: buy, downColor: sell, wickUpColor: buy, wickDownColor: sell, borderVisible: false });
    if (this.#market) this.#load();
  }
}

/** In the reader's zone: the chart itself thinks in UTC. */
function tickText(seconds, type) {
  const isTime = type === TickMarkType.Time || type === TickMarkType.TimeWithSeconds;
  return isTime ? timeText(seconds * 1000, "clock").slice(0, 5) : new Date(seconds * 1000).toLocaleDateString(undefined, { month: "short", day: "numeric" });
}

/** A picture's numbers, which may be floats: nothing is counted with them. Times are UTC seconds, shown in the reader's zone. */
function point(timeMs, open, high, low, close, volume) {
  return { time: timeMs / 1000, open: Number(open), high: Number(high), low: Number(low), close: Number(close), volume: Number(volume) };
}

function bar({ time, open, close, volume }) {
  return { time, value: volume, color: colour(close >= open ? "--buy-soft" : "--sell-soft") };
}
