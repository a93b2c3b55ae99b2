// The rows of the order book and of the last trades: made once, filled on every frame.

import { fromUnits } from "../shell/numbers.js";
import { showTime } from "../shell/times.js";

function makeRows(body, count) {
  const rows = Array.from({ length: count }, () => {
    const row = document.createElement("tr");
    row.append(...Array.from({ length: 3 }, () => document.createElement("td")));
    return row;
  });
  body.replaceChildren(...rows);
  return rows;
}

export class Ladder {
  constructor(asks, bids, count) {
    this.count = count;
    this.asks = makeRows(asks, count).reverse(); // the best ask stands lowest
    this.bids = makeRows(bids, count);
  }

  /** Levels are [price, quantity, total], best first; both sides share one scale for the bars. */
  show(asks, bids, { priceDecimals, qtyDecimals }) {
    const most = Math.max(asks.at(-1)?.[2] ?? 0, bids.at(-1)?.[2] ?? 0, 1);
    for (const [rows, levels] of [[this.asks, asks], [this.bids, bids]]) {
      rows.forEach((row, index) => this.#fill(row, levels[index], most, priceDecimals, qtyDecimals));
    }
  }

  #fill(row, level, most, priceDecimals, qtyDecimals) {
    const [price, quantity, total] = level ?? [null, null, 0];
    const texts = level
      ? [fromUnits(price, priceDecimals), fromUnits(quantity, qtyDecimals), fromUnits(total, qtyDecimals)]
      : ["", "", ""];
    texts.forEach((text, column) => {
      const cell = row.cells[column];
      if (cell.textContent !== text) cell.textContent = text;
    });
    row.style.setProperty("--share", `${((100 * total) / most).toFixed(1)}%`);
  }
}

export class Tape {
  constructor(body, count) {
    this.rows = makeRows(body, count);
    for (const row of this.rows) row.cells[2].append(document.createElement("time"));
    this.clear();
  }

  /** The newest first. */
  show(trades, { priceDecimals, qtyDecimals }) {
    this.rows.forEach((row, index) => {
      const trade = trades[index];
      row.hidden = !trade;
      if (!trade || row.dataset.id === String(trade.id)) return;
      row.dataset.id = trade.id;
      row.className = trade.takerBuys ? "buy" : "sell";
      row.cells[0].textContent = fromUnits(trade.price, priceDecimals);
      row.cells[1].textContent = fromUnits(trade.quantity, qtyDecimals);
      showTime(row.cells[2].firstChild, trade.timeMs);
    });
  }

  clear() {
    for (const row of this.rows) {
      row.hidden = true;
      delete row.dataset.id;
    }
  }
}
