// A statement of some days: made in the browser of what the routes say, as CSV or PDF.

import { api } from "../api.js";
import { shown } from "../shell/numbers.js";
import { csv } from "../shell/tables.js";
import { pdf } from "../shell/pdf.js";
import { holdings, pages } from "./holdings.js";

/** `from`, `to`: days in UTC, the last one included. Sections of {title, columns, rows}, all texts. */
export async function statement(who, from, to) {
  const isIn = (when) => when && when.slice(0, 10) >= from && when.slice(0, 10) <= to;
  const [mine, trades, purchases, dividends] = await Promise.all([
    holdings(),
    pages("/marketplace/trades", (trade) => trade.trade_id),
    pages("/marketplace/purchases", (purchase) => purchase.purchase_id),
    api.get("/dividends", { limit: 100 }),
  ]);
  const utc = (when) => when.slice(0, 19).replace("T", " ");
  const plain = (text) => shown(text).replace(/[^\d.-]/g, "");
  return {
    head: [`Statement of ${who.email}`, `${from} to ${to}, times in UTC, amounts in USDC`, `Made ${utc(new Date().toISOString())}`],
    sections: [
      { title: "Held now", columns: ["Asset", "Free", "Held", "Unsettled in", "Unsettled out", "Asked back", "In the wallet"],
        rows: [mine.cash, ...mine.tokens].map((each) => [each.base ?? each.symbol, each.free, each.held, each.owed_in, each.owed_out, each.requested, each.outside].map((cell, index) => (index ? plain(cell) : cell))) },
      { title: "Trades", columns: ["Time", "Market", "Side", "Tokens", "Price", "USDC", "Fee", "Settlement", "Transaction"],
        rows: trades.filter((each) => isIn(each.traded_at)).map((each) => [utc(each.traded_at), each.symbol, each.side, each.qty, each.price, each.usdc, each.fee_usdc, each.settlement, each.transaction ?? ""]) },
      { title: "First sales", columns: ["Time", "Property", "Tokens", "Price", "USDC", "State", "Transaction"],
        rows: purchases.filter((each) => isIn(each.bought_at ?? each.created_at)).map((each) => [utc(each.bought_at ?? each.created_at), each.property_id, each.qty, each.price, each.usdc, each.state, each.transaction ?? ""]) },
      { title: "Dividends", columns: ["Time", "Property", "Wallet", "Tokens", "USDC", "State", "Transaction"],
        rows: dividends.filter((each) => isIn(each.created_at)).flatMap((each) => each.lines.map((line) => [utc(each.created_at), each.property_id, line.wallet, line.tokens, line.usdc, line.state, line.transaction ?? ""])) },
    ],
  };
}

export function statementCsv({ head, sections }) {
  return csv([...head.map((line) => [line]), ...sections.flatMap(({ title, columns, rows }) => [[], [title], columns, ...rows])]);
}

/** Columns as wide as their longest text; hashes and ids are cut, the CSV has them whole. */
export function statementPdf({ head, sections }) {
  const lines = sections.flatMap(({ title, columns, rows }) => {
    const cut = (text) => (text.length > 22 ? `${text.slice(0, 12)}..${text.slice(-6)}` : text);
    const cells = [columns, ...rows].map((row) => row.map((cell) => cut(String(cell))));
    const widths = columns.map((_, index) => Math.max(...cells.map((row) => row[index].length)));
    const line = (row) => row.map((cell, index) => cell.padEnd(widths[index])).join("  ");
    return ["", `# ${title}`, line(cells[0]), ...(rows.length ? cells.slice(1).map(line) : ["none"])];
  });
  return pdf(head, lines);
}
