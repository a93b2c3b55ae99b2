// One dividend: who gets what, before two people decide it, and how far it is paid.

import { api } from "../api.js";
import { confirmed } from "../shell/dialogs.js";
import { actionButton } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { tokens, usdc } from "../shell/numbers.js";
import { badge, notice, progress } from "../shell/states.js";
import { facts, panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { approvalNote } from "./approval.js";
import { hash } from "./hash.js";
import { openOffice } from "./open.js";
import { parts, reopenOnChange } from "./place.js";
import { keepLines, linesTable, paidProgress, UNDECIDED } from "./payouts.js";
import { propertyOf } from "./property.js";
import { has } from "./roles.js";
import { watch } from "./watch.js";

function standing(dividend) {
  if (dividend.state === "PREPARING") return progress("Counting holders", 0, 0, "The record date has to be final: every trade up to it settled or failed.");
  if (dividend.state === "FAILED") return notice("bad", make("strong", {}, "It can never be paid as proposed: "), dividend.failure, ". Nothing was sent; propose another.");
  if (dividend.state === "CANCELLED") return notice("warn", "It was called off before it was decided; nothing was sent.");
  return paidProgress(dividend);
}

function title(dividend, who) {
  if (!has(who, "ADMIN", "SETTLEMENT_OPERATOR")) return "What your wallets get";
  return UNDECIDED.includes(dividend.state) ? "Preview: what each holder will get" : "Each holder";
}

function cancelling(dividend) {
  return actionButton("Call it off", async () => {
    if (!(await confirmed("Call this dividend off", "Its income is free again; nobody is paid.", "Call it off", true))) return;
    await api.post(`/dividends/${dividend.dividend_id}/cancel`);
    toast("Called off.", "good");
    location.reload();
  }, { kind: "danger small", failed: (problem) => toast(problem.message, "bad") });
}

openOffice({
  title: "Dividend",
  needs: ["ADMIN", "SETTLEMENT_OPERATOR", "PROPERTY_MANAGER"],
  isTitled: false,
  async show(main, who) {
    const [id] = parts();
    reopenOnChange();
    const property = await propertyOf((await api.get(`/dividends/${id}`)).property_id);
    const { symbol } = property.terms;
    const page = make("div", { class: "column" });
    main.append(page);
    document.title = `Dividend of ${property.terms.name} · Deedbook`;
    watch(page, () => api.get(`/dividends/${id}`), async (dividend) => [
      make("div", { class: "row" },
        make("div", { class: "title" }, make("h1", {}, "Dividend of ", make("a", { href: `/office/dividends#${property.property_id}` }, property.terms.name)), badge(dividend.state)),
        has(who, "ADMIN") && UNDECIDED.includes(dividend.state) && cancelling(dividend)),
      has(who, "ADMIN") && dividend.state === "PREPARED" && (await approvalNote(dividend.dividend_id, "DIVIDEND")),
      panel("How far it is", make("div", { class: "column" }, standing(dividend), facts([
        ["Pool", usdc(dividend.pool_usdc)],
        ["Of", dividend.period ?? "an amount"],
        ["Holders", dividend.holders === null ? "being counted" : `${dividend.holders} wallets`],
        ["Cannot be divided", usdc(dividend.dust_usdc)],
        ["Record date", dividend.record_seq === null ? "–" : `command ${dividend.record_seq}, block ${dividend.record_block ?? "–"}`],
        ["Unsold tokens", dividend.includes_unsold ? `${tokens(dividend.unsold_tokens, symbol)} get ${usdc(dividend.unsold_usdc)}` : "get nothing"],
        ["Hash that commits to every line", hash(dividend.head, "hash")],
        ["SHA-256 of the list", hash(dividend.list_sha256, "sha256")],
        ["Proposed", time(dividend.created_at)],
      ]))),
      panel(title(dividend, who), linesTable(dividend, symbol, has(who, "ADMIN", "SETTLEMENT_OPERATOR")), keepLines(`dividend-${id}`, dividend)),
      dividend.charges.length > 0 && panel("The charges that it names", table({
        caption: "Charges", rows: dividend.charges,
        columns: [{ name: "Charge", cell: (each) => hash(each.charge, "charge") }, { name: "Of it", cell: (each) => usdc(each.usdc), isNumber: true }],
      })),
    ].filter(Boolean));
  },
});
