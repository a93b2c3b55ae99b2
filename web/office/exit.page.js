// A property's end: trading stops for good, the sale is stated, every holder's line is seen, and two people decide.

import { api } from "../api.js";
import { confirmed } from "../shell/dialogs.js";
import { actionButton, form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { tokens, usdc } from "../shell/numbers.js";
import { badge, notice, progress } from "../shell/states.js";
import { facts, panel } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { approvalNote } from "./approval.js";
import { sayDecision } from "./decisions.js";
import { hash } from "./hash.js";
import { openOffice } from "./open.js";
import { parts, reopenOnChange } from "./place.js";
import { keepLines, linesTable, paidProgress, UNDECIDED } from "./payouts.js";
import { propertyHead, propertyOf } from "./property.js";
import { watch } from "./watch.js";

const STAGES = ["HALTING", "SETTLING", "STILL"];
const failed = (problem) => toast(problem.message, "bad");

async function orNull(path) {
  return api.get(path).catch((problem) => {
    if (problem.status === 404) return null;
    throw problem;
  });
}

async function load(id) {
  const [property, liquidation, exit] = await Promise.all([propertyOf(id), orNull(`/properties/${id}/liquidation`), orNull(`/properties/${id}/exit`)]);
  return { property, liquidation, exit };
}

function beginning(property, reload) {
  return panel("End the trading of this property", make(
    "div", { class: "column" },
    make("p", { class: "text" }, `Every open order in ${property.market} is cancelled, its trades are settled, and its token is stilled. This cannot be taken back. Then the sale is stated and every holder paid.`),
    make("div", { class: "buttons" }, actionButton("End the trading for good", async () => {
      const text = `Trading of ${property.terms.name} ends for good. Holders are told.`;
      if (!(await confirmed("End the trading for good", text, "End it", true))) return;
      await api.post(`/properties/${property.property_id}/liquidate`);
      toast("Trading is being ended.", "good");
      reload();
    }, { kind: "danger", failed })),
  ));
}

function stilling(liquidation) {
  const at = STAGES.indexOf(liquidation.state);
  const step = (index, title, text) => make("li", { class: index < at || at === 2 ? "done" : index === at ? "waiting" : "" }, make("strong", {}, title), make("span", { class: "quiet" }, text));
  return panel("How far it is", make("div", { class: "column" },
    make("ol", { class: "steps" },
      step(0, "Orders cancelled", "Nobody can place another."),
      step(1, "Trades settled", "What was matched settles or fails with its reason."),
      step(2, "Token stilled", "Paused on the chain and final.")),
    liquidation.waits_for && at < 2 && notice("note", `Waits for: ${liquidation.waits_for}`)));
}

function stating(property, exit, reload) {
  return panel(exit ? "State the sale anew" : "State the sale", make("div", { class: "column" }, notice("note", "Bring the price to the treasury first. Income not paid out and the reserve go to the holders too; what is owed to the manager is paid before: ", make("a", { href: `/office/income#${property.property_id}` }, "look at its income"), "."), form({
    fields: [
      { name: "sale_price_usdc", label: "Sold for", unit: "USDC", inputMode: "decimal", value: exit?.sale_price_usdc ?? "" },
      { name: "costs_usdc", label: "What the sale cost", unit: "USDC", inputMode: "decimal", value: exit?.costs_usdc ?? "0" },
    ],
    submit: exit ? "Replace the statement" : "Prepare the payout",
    send: async (body) => {
      await api.post(`/properties/${property.property_id}/exit`, body);
      toast("Every holder's share is being prepared.", "good");
      reload();
    },
  })));
}

async function statement(property, exit, reload) {
  const { symbol } = property.terms;
  const propose = exit.state === "PREPARED" && actionButton("Propose to burn and pay exactly this", async () => {
    sayDecision(await api.post(`/tokens/burn/${property.property_id}`));
    reload();
  }, { kind: "primary", failed });
  const open = exit.state === "PREPARED" && (await approvalNote(exit.exit_id, "BURN"));
  return [
    panel("The payout", make("div", { class: "column" },
      exit.state === "FAILED" && notice("bad", make("strong", {}, "It cannot be paid as stated: "), exit.failure),
      exit.state === "PREPARING" ? progress("Preparing", 0, 0, "Balances are read at a final block.") : paidProgress(exit),
      facts([
        ["Sold for", usdc(exit.sale_price_usdc)],
        ["Costs", usdc(exit.costs_usdc)],
        ["What the property had left", usdc(exit.remainder_usdc)],
        ["To all holders", usdc(exit.pool_usdc)],
        ["A token gets", exit.usdc_per_token === null ? "–" : `${usdc(exit.usdc_per_token)}, rounded down`],
        ["Tokens burned", tokens(exit.supply_tokens, symbol)],
        ["Unsold, the issuer's", exit.unsold_tokens === null ? "–" : `${tokens(exit.unsold_tokens, symbol)} get ${usdc(exit.unsold_usdc)}`],
        ["Holders", exit.holders === null ? "–" : `${exit.holders} wallets`],
        ["As of block", exit.snapshot_block === null ? "–" : String(exit.snapshot_block)],
        ["Hash that commits to every line", hash(exit.head, "hash")],
        ["SHA-256 of the list", hash(exit.list_sha256, "sha256")],
        ["Stated", time(exit.created_at)],
      ]),
      open || (propose && make("div", { class: "buttons" }, propose))), badge(exit.state)),
    panel(UNDECIDED.includes(exit.state) ? "Preview: what each holder will get" : "Each holder", linesTable(exit, symbol), keepLines(`exit-${property.property_id}`, exit)),
  ];
}

openOffice({
  title: "Exit",
  needs: ["ADMIN"],
  isTitled: false,
  async show(main, who) {
    const [id] = parts();
    reopenOnChange();
    const page = make("div", { class: "column" });
    main.append(page);
    const reload = watch(page, () => load(id), async ({ property, liquidation, exit }) => {
      document.title = `Exit of ${property.terms.name} · Deedbook`;
      const isOpen = liquidation?.state === "STILL" && property.state === "LIQUIDATING" && (!exit || [...UNDECIDED, "FAILED"].includes(exit.state));
      return [
        ...propertyHead(property, who),
        property.state === "TOKENIZED" && beginning(property, () => reload()),
        property.state === "CLOSED" && notice("good", "Closed: every token is burned, and every holder is paid or owed."),
        liquidation && property.state !== "CLOSED" && stilling(liquidation),
        ...(exit ? await statement(property, exit, () => reload()) : []),
        isOpen && stating(property, exit, () => reload()),
      ].filter(Boolean);
    });
  },
});
