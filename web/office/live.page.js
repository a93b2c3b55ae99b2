// The exchange now: throughput and the time until an answer is on disk, drawn as they come.

import uPlot from "../lib/uplot.mjs";
import { make } from "../shell/make.js";
import { shown } from "../shell/numbers.js";
import { colour, whenColoursChange } from "../shell/colours.js";
import { loading, notice } from "../shell/states.js";
import { panel } from "../shell/tables.js";
import { timeText } from "../shell/times.js";
import { Measures, quantile, rate, read } from "./measures.js";
import { openOffice } from "./open.js";
import { regularly } from "./watch.js";

const EVERY_MS = 1_000;
const KEPT = 120; // two minutes
const SHORTEST = 20; // seconds that are drawn at least
const DURABLE = "deedbook_durable_seconds";
const SHARES = [[0.5, "p50", "--accent"], [0.99, "p99", "--warn"], [0.999, "p99.9", "--sell"]];
const RATES = [["deedbook_commands_total", "Commands a second", "--accent"], ["deedbook_trades_total", "Trades a second", "--buy"]];

/** A chart of some series over the last minutes, drawn anew with the colours of the theme. */
class Chart {
  constructor(series, unit, label) {
    this.place = make("div", { class: "plot", role: "img", aria: { label } });
    this.series = series;
    this.unit = unit;
    this.rows = [[], ...series.map(() => [])];
    new ResizeObserver(() => this.plot?.setSize(this.#size())).observe(this.place);
    whenColoursChange(() => this.#draw());
  }

  add(seconds, values) {
    [seconds, ...values].forEach((value, index) => this.rows[index].push(value));
    if (this.rows[0].length > KEPT) this.rows.forEach((row) => row.shift());
    if (this.plot) this.plot.setData(this.rows);
    else this.#draw();
    if (!this.place.matches(":hover")) this.plot.setLegend({ idx: this.rows[0].length - 1 }); // the newest, where none is pointed at
  }

  /** From the first reading that is kept to the last, in seconds since 1970; of a few readings, wider than they are. */
  #span() {
    const [times] = this.rows;
    const last = times.at(-1);
    return [Math.min(times[0], last - SHORTEST), last];
  }

  #size() {
    return { width: this.place.clientWidth, height: 230 };
  }

  #draw() {
    this.plot?.destroy();
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
    this.plot = new uPlot({
      ...this.#size(),
      scales: { x: { time: true, range: () => this.#span() }, y: { range: (_, low, high) => [0, Math.max(high * 1.15, 0.1)] } },
      axes: [{ ...axis, values: (_, ticks) => ticks.map((tick) => timeText(tick * 1000, "clock")), space: 90 }, { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => `${shown(tick)} ${this.unit}`) }],
      series: [{ value: (_, tick) => (tick === null ? "–" : timeText(tick * 1000, "clock")) }, ...this.series.map(([, name, line]) => ({ label: name, stroke: colour(line), width: 1.75, points: { show: false }, value: (_, value) => (value === null ? "–" : `${value.toFixed(2)} ${this.unit}`) }))],
      cursor: { y: false },
    }, this.rows, this.place);
  }
}

function figures() {
  const make1 = (label, text) => {
    const value = make("strong", { class: "big" }, "–");
    return { value, element: make("div", { class: "figure" }, make("span", { class: "quiet" }, label), value, make("span", { class: "quiet" }, text)) };
  };
  return {
    commands: make1("Commands", "a second, durable"),
    trades: make1("Trades", "a second"),
    p50: make1("Time to disk, p50", "of the last second's frames"),
    p99: make1("Time to disk, p99", "of the last second's frames"),
    journal: make1("Journal", "written a second"),
  };
}

const millis = (seconds) => (seconds === null ? "–" : `${(seconds * 1000).toFixed(2)} ms`);

openOffice({
  title: "Exchange live",
  needs: ["ADMIN", "SETTLEMENT_OPERATOR"],
  async show(main) {
    document.head.append(make("link", { rel: "stylesheet", href: "/lib/uplot.css" }));
    const trouble = make("div");
    const shownFigures = figures();
    const throughput = new Chart(RATES, "/s", "Commands and trades a second over the last two minutes");
    const latency = new Chart(SHARES, "ms", "Milliseconds until an answer is on disk, over the last two minutes");
    const waiting = loading("Measuring the first second");
    main.append(
      trouble, make("div", { class: "figures" }, Object.values(shownFigures).map((each) => each.element)), waiting,
      panel("Throughput", throughput.place), panel("From sequencing to disk", [latency.place, make("p", { class: "quiet" }, "Of each journal frame's first command, until the frame is on disk and its answers leave. Estimated within the histogram's steps; a quiet second has no frame and leaves a gap.")]),
    );
    let before = null;
    regularly(async () => {
      let now;
      try {
        now = await read();
      } catch (problem) {
        trouble.replaceChildren(notice("warn", `${problem.message} This page keeps trying.`));
        return;
      }
      trouble.replaceChildren();
      if (before) {
        if (now.value("deedbook_commands_total") < before.value("deedbook_commands_total")) before = new Measures("", before.atMs); // it was started again
        waiting.remove();
        const seconds = Date.now() / 1000;
        const rates = RATES.map(([name]) => rate(before, now, name));
        const shares = SHARES.map(([share]) => quantile(before, now, DURABLE, share));
        throughput.add(seconds, rates);
        latency.add(seconds, shares.map((each) => (each === null ? null : each * 1000)));
        shownFigures.commands.value.textContent = rates[0].toFixed(1);
        shownFigures.trades.value.textContent = rates[1].toFixed(1);
        shownFigures.p50.value.textContent = millis(shares[0]);
        shownFigures.p99.value.textContent = millis(shares[1]);
        shownFigures.journal.value.textContent = `${(rate(before, now, "deedbook_journal_bytes_total") / 1024).toFixed(1)} KiB`;
      }
      before = now;
    }, EVERY_MS);
  },
});
