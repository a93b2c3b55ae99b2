// Dividends: what each paid the reader, and what could not be sent and waits to be claimed.

import { api } from "../api.js";
import { actionButton } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { shown, short, usdc } from "../shell/numbers.js";
import { openPage } from "../shell/page.js";
import { badge, fill } from "../shell/states.js";
import { panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { send } from "../shell/wallet.js";

async function claim({ payout_id: id, kind, property_id: property }) {
  const { transactions } = await api.post(kind === "EXIT" ? `/properties/${property}/exit/claim` : `/dividends/${id}/claim`);
  for (const transaction of transactions) await send(transaction, transaction.wallet);
  toast("Claimed: it is in your wallet once the block is final.", "good");
}

function owed(rows, draw) {
  return table({
    caption: "Owed to you",
    columns: [
      { name: "Property", cell: (each) => make("a", { href: `/invest/property#${each.property_id}` }, "Property") },
      { name: "Of", cell: (each) => each.kind.toLowerCase() },
      { name: "Wallet", cell: (each) => make("code", { title: each.wallet }, short(each.wallet)) },
      { name: "Owed", cell: (each) => usdc(each.usdc), isNumber: true },
      { name: "", cell: (each) => actionButton("Claim", async () => {
        await claim(each);
        await draw();
      }, { kind: "small primary", failed: (problem) => toast(problem.message, "bad") }) },
    ],
    rows,
  });
}

function dividends(rows) {
  return table({
    caption: "Dividends",
    columns: [
      { name: "Dividend", cell: ({ of }) => make("a", { href: `/invest/property#${of.property_id}` }, of.period ? `Rent of ${of.period}` : "Dividend") },
      { name: "Your tokens", cell: ({ line }) => shown(line.tokens), isNumber: true },
      { name: "To you", cell: ({ line }) => usdc(line.usdc), isNumber: true },
      { name: "Paid in all", cell: ({ of }) => usdc(of.pool_usdc), isNumber: true },
      { name: "Proposed", cell: ({ of }) => time(of.created_at, "day") },
      { name: "State", cell: ({ line }) => badge(line.state) },
      { name: "Transaction", cell: ({ line }) => line.transaction ? make("code", { title: line.transaction }, short(line.transaction)) : "–" },
    ],
    rows: rows.flatMap((of) => of.lines.map((line) => ({ of, line }))),
    none: { title: "No dividend yet", text: "What a property pays its holders of record stands here, line by line." },
  });
}

openPage({
  title: "Dividends",
  needs: ["INVESTOR"],
  async show(main) {
    const body = make("div", { class: "column" });
    main.append(body);
    const load = async () => Promise.all([api.get("/dividends", { limit: 100 }), api.get("/dividends/owed")]);
    const draw = () => fill(body, load, ([paid, waiting]) => [waiting.length ? panel("Owed to you", owed(waiting, draw)) : null, panel("Paid to you", dividends(paid))]);
    addEventListener("deedbook-message", draw);
    await draw();
  },
});
