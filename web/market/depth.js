// The depth of the book on both sides of the middle, by uPlot.

import UPlot from "../lib/uplot.mjs";
import { colour, whenColoursChange } from "../shell/colours.js";
import { make } from "../shell/make.js";
import { fromUnits } from "../shell/numbers.js";

const LEVELS = 400;
const EVERY_MS = 250; // a picture of depth need not follow every difference

export class Depth {
  #plot = null;
  #instrument = null;
  #drawnAt = 0;

  constructor() {
    this.element = make("div", { class: "chart-box", role: "img", "aria-label": "Tokens bid and asked up to each price" });
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.element);
    whenColoursChange(() => this.#make());
  }

  show(book, instrument, now = performance.now()) {
    if (now - this.#drawnAt < EVERY_MS) return;
    this.#drawnAt = now;
    if (instrument !== this.#instrument) {
      this.#instrument = instrument;
      this.#make();
    }
    const [bids, asks] = [book.levels(true, LEVELS), book.levels(false, LEVELS)];
    if (!this.#plot || !bids.length || !asks.length) return this.#plot?.setData([[], [], []]);
    const middle = (bids[0][0] + asks[0][0]) / 2;
    const [longer, shorter] = [middle - bids.at(-1)[0], asks.at(-1)[0] - middle].sort((a, b) => b - a);
    const reach = Math.max(Math.min(longer, 3 * shorter), 1); // one far order does not press the rest flat
    const near = ([price]) => Math.abs(price - middle) <= reach;
    const [left, right] = [bids.filter(near).reverse(), asks.filter(near)];
    const count = left.length + right.length;
    const scale = 10 ** instrument.qtyDecimals;
    const totals = (levels, before) => Array.from({ length: count }, (_, index) => (levels[index - before] ? levels[index - before][2] / scale : null));
    this.#plot.setData([[...left, ...right].map(([price]) => price), totals(left, 0), totals(right, left.length)]);
  }

  #size() {
    return { width: Math.max(this.element.clientWidth, 120), height: Math.max(this.element.clientHeight, 100) };
  }

  #make() {
    this.#plot?.destroy();
    if (!this.#instrument || !this.element.clientWidth) return;
    const { priceDecimals } = this.#instrument;
    const axis = { stroke: colour("--quiet"), font: "11px sans-serif", grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const side = (name, paths) => ({ stroke: colour(`--${name}`), fill: colour(`--${name}-soft`), width: 1.5, paths, points: { show: false } });
    this.#plot = new UPlot({
      ...this.#size(),
      legend: { show: false },
      cursor: { y: false },
      scales: { x: { time: false }, y: { range: (_, low, high) => [0, high || 1] } },
      axes: [
        { ...axis, size: 26, space: 80, values: (_, values) => values.map((value) => fromUnits(Math.round(value), priceDecimals)) },
        { ...axis, side: 1, size: 54, values: (_, values) => values.map((value) => new Intl.NumberFormat().format(value)) },
      ],
      series: [{}, side("buy", UPlot.paths.stepped({ align: -1 })), side("sell", UPlot.paths.stepped({ align: 1 }))],
    }, [[], [], []], this.element);
    this.#drawnAt = 0;
  }
}
