// Settlement: chain and journal beside each other, batches, and trades that failed.

import { api } from "../api.js";
import { actionButton } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { percent, shown, usdc } from "../shell/numbers.js";
import { badge, notice, words } from "../shell/states.js";
import { panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { hash } from "./hash.js";
import { read } from "./measures.js";
import { openOffice } from "./open.js";
import { watch } from "./watch.js";

const TRANSACTION_GAS_MAX = 16_777_216; // EIP-7825: what one transaction may use
const PAGE = 20; // as the route has it

function figure(label, value, text, kind = "") {
  return make("div", { class: `figure ${kind}` }, make("span", { class: "quiet" }, label), make("strong", { class: "big" }, value), text && make("span", { class: "quiet" }, text));
}

async function load() {
  const [standing, measures] = await Promise.all([api.get("/operations/settlement"), read().catch(() => null)]);
  return { standing, journalSeq: measures?.value("deedbook_journal_seq") ?? null };
}

function behind(seq, journalSeq) {
  return journalSeq === null ? null : Math.max(0, journalSeq - seq);
}

function draw({ standing, journalSeq }) {
  const { head_block: head, final_block: final } = standing;
  const known = (block) => (block === null ? "–" : shown(block));
  return make("div", { class: "column" },
    standing.trouble && notice("bad", make("strong", {}, "Settlement waits: "), standing.trouble),
    head === null && notice("warn", "The chain does not answer; what follows is what is recorded here."),
    make("div", { class: "figures four" },
      figure("Chain head", known(head), "block"),
      figure("FINAL up to", known(final), `block, ${standing.confirmations ?? "–"} behind the head`),
      figure("Credited up to", shown(standing.engine_block), "block, by the engine"),
      figure("Events recorded up to", known(standing.recorded_block), `block; final ones to ${known(standing.recorded_final_block)}`),
      figure("Taken back by reorgs", shown(standing.removed_events), "events, ever", standing.removed_events ? "warn" : ""),
      figure("Trades not final", shown(standing.open_trades), standing.oldest_open_trade_at ? ["the oldest of ", time(standing.oldest_open_trade_at, "clock")] : "none waits"),
      figure("Batches not final", shown(standing.open_batches), "of at most 8 at once"),
      figure("Transactions on their way", shown(standing.open_transactions), standing.oldest_open_transaction_at ? ["the oldest signed ", time(standing.oldest_open_transaction_at, "clock")] : "none waits"),
    ),
    make("h3", {}, "Who reads the journal"),
    table({
      caption: "Readers of the journal and how far each is",
      rows: standing.readers,
      columns: [
        { name: "Reader", cell: (each) => words(each.consumer.replaceAll("-", "_")) },
        { name: "Up to command", cell: (each) => shown(each.seq), isNumber: true },
        { name: "Behind", cell: (each) => { const lag = behind(each.seq, journalSeq); return lag === null ? "–" : `${shown(lag)} commands`; }, isNumber: true },
        { name: "Moved", cell: (each) => time(each.moved_at, "clock") },
      ],
    }),
  );
}

/** A table in pages: the newest is kept up, older ones come by the button. */
function paged(title, path, idOf, columns, none) {
  const [place, older] = [make("div"), make("div")];
  const more = actionButton("Show older ones", async () => {
    const found = await api.get(path, { before });
    if (found.length) older.append(table({ caption: `Older ${title.toLowerCase()}`, rows: found, columns }));
    before = found.length ? idOf(found.at(-1)) : before;
    more.hidden = found.length < PAGE;
  }, { kind: "small", failed: (problem) => toast(problem.message, "bad") });
  more.hidden = true;
  let before;
  watch(place, () => api.get(path), (found) => {
    if (before === undefined && found.length) {
      before = idOf(found.at(-1));
      more.hidden = found.length < PAGE;
    }
    return table({ caption: `${title}, the newest first`, rows: found, columns, none });
  });
  return panel(title, [place, older], more);
}

const BATCH_COLUMNS = [
  { name: "Batch", cell: (each) => String(each.batch_id) },
  { name: "State", cell: (each) => badge(each.state) },
  { name: "Trades", cell: (each) => `${shown(each.trade_after + 1)} – ${shown(each.trade_last)}`, isNumber: true },
  { name: "Fills / legs", cell: (each) => `${each.fills ?? "–"} / ${each.legs ?? "–"}`, isNumber: true },
  { name: "Left out", cell: (each) => (each.ejected ? `${each.ejected} trades` : "none"), isNumber: true },
  { name: "Gas", cell: (each) => gas(each), isNumber: true },
  { name: "Block", cell: (each) => (each.block === null ? "–" : shown(each.block)), isNumber: true },
  { name: "Transaction", cell: (each) => hash(each.transaction, "transaction") },
  { name: "Changed", cell: (each) => time(each.changed_at, "clock") },
];

function gas({ gas_used: used, gas_estimated: estimated, fills }) {
  const amount = used ?? estimated;
  if (amount === null) return "–";
  const text = `${shown(amount)} gas${used === null ? " estimated" : ""}`;
  const title = `${percent(BigInt(amount), BigInt(TRANSACTION_GAS_MAX))} of what a transaction may use${fills ? `; ${shown(Math.round(amount / fills))} gas a fill` : ""}`;
  return make("span", { title }, text);
}

const FAILED_COLUMNS = [
  { name: "Trade", cell: (each) => shown(each.trade_id) },
  { name: "Market", cell: (each) => each.symbol },
  { name: "Quantity", cell: (each) => `${shown(each.qty)} tokens`, isNumber: true },
  { name: "Worth", cell: (each) => usdc(each.usdc), isNumber: true },
  { name: "Why", cell: (each) => badge("FAILED", words(each.reason)) },
  { name: "Buyer / seller", cell: (each) => `account ${each.buyer_account} / ${each.seller_account}` },
  { name: "Traded", cell: (each) => time(each.traded_at) },
  { name: "Batch, block", cell: (each) => `${each.batch_id}, ${shown(each.block)}`, isNumber: true },
];

openOffice({
  title: "Settlement",
  needs: ["ADMIN", "SETTLEMENT_OPERATOR"],
  async show(main) {
    const place = make("div");
    main.append(
      panel("Chain and journal", place),
      paged("Batches", "/operations/batches", (each) => each.batch_id, BATCH_COLUMNS, { title: "No batch yet", text: "Trades are settled in batches, about one a second while there are any." }),
      paged("Failed trades", "/operations/failed-trades", (each) => each.trade_id, FAILED_COLUMNS, { title: "No trade has failed", text: "Only an issuer's or a regulator's act can fail a leg; it is listed with its reason, and all others settle." }),
    );
    watch(place, load, draw, 2_000);
  },
});
