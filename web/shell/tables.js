// Tables that become lists of cards on a narrow screen.

import { make } from "./make.js";
import { empty } from "./states.js";

/**
 * caption  what the table is, for a screen reader, and seen where `isCaptionShown`
 * columns  [{name, cell: (row) => text or element, isNumber}]; the first is the row's heading
 * none     {title, text, action} in place of a table without rows
 */
export function table({ caption, columns, rows, none = { title: "Nothing here yet" }, isCaptionShown = false }) {
  if (rows.length === 0) return empty(none.title, none.text, none.action);
  const header = make("tr", {}, columns.map(({ name, isNumber }) => make("th", { scope: "col", class: isNumber ? "number" : undefined }, name)));
  const lines = rows.map((row) => make("tr", {}, columns.map(({ name, cell, isNumber }, index) => {
    const properties = { class: isNumber ? "number" : undefined, data: { name } };
    return index === 0 ? make("th", { scope: "row", ...properties }, cell(row)) : make("td", properties, cell(row));
  })));
  return make(
    "div", { class: "table-box" },
    make("table", { class: "list" }, make("caption", { class: isCaptionShown ? "" : "unseen" }, caption), make("thead", {}, header), make("tbody", {}, lines)),
  );
}

/** Names and values in a block: [name, value] pairs; those without a value are left out. */
export function facts(pairs) {
  return make("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

/** A titled block of a page; `aside` stands at the right of its title. */
export function panel(title, body, aside) {
  const id = `panel-${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
  return make(
    "section", { class: "panel", "aria-labelledby": id },
    make("div", { class: "head" }, make("h2", { id }, title), aside),
    make("div", { class: "body" }, body),
  );
}

/** A file made here, for the reader to keep. */
export function download(name, content, type) {
  const link = make("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Rows of cells as CSV: quoted where needed, and never a formula for a spreadsheet. */
export function csv(rows) {
  const cell = (value) => {
    const text = String(value ?? "");
    const safe = /^[=+@\t\r]|^-(?![\d.])/.test(text) ? `'${text}` : text;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n");
}
