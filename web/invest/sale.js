// Buying in a first sale: ask, sign what is missing, and follow the purchase to its FINAL block.

import { api } from "../api.js";
import { form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { decimal, percent, shown, short, units, usdc, USDC_DECIMALS } from "../shell/numbers.js";
import { badge, follow, notice, progress } from "../shell/states.js";
import { facts } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { address, send, signTyped } from "../shell/wallet.js";

const STEPS = ["RELAYED", "MINED", "FINAL"];
const TOKEN_DECIMALS = 18; // more than any token's: amounts of tokens are compared, not counted, here

/** The block of a sale; `again` draws it anew. */
export function saleBody(property, sale, again) {
  const { symbol } = property.terms;
  const [sold, most] = [units(sale.qty_sold, TOKEN_DECIMALS), units(sale.qty_max, TOKEN_DECIMALS)];
  const state = make("div");
  const isOpen = sale.state === "OPEN" && Date.parse(sale.opens_at) <= Date.now() && Date.now() < Date.parse(sale.closes_at);
  return [
    make("div", { class: "row" }, make("span", { class: "big" }, usdc(sale.price)), badge(sale.state)),
    make("p", { class: "quiet" }, `for one ${symbol}`),
    make("div", { class: "progress" },
      make("div", { class: "row" }, make("span", {}, `${shown(sale.qty_sold)} of ${shown(sale.qty_max)} sold`), make("span", { class: "quiet" }, percent(sold, most))),
      make("progress", { max: 1000, value: Number((sold * 1000n) / (most || 1n)), aria: { label: "Sold" } })),
    facts([["Left", `${shown(sale.qty_left)} ${symbol}`], ["Most for one wallet", `${shown(sale.per_buyer_max)} ${symbol}`], ["In steps of", `${shown(sale.lot)} ${symbol}`], ["Ends", time(sale.closes_at)]]),
    isOpen ? buyForm(property, sale, state, again) : notice("note", sale.failure || "It sells nothing at this moment."),
    state,
  ];
}

function buyForm(property, sale, state, again) {
  const cost = make("p", { class: "quiet" }, "Type a quantity to see what it costs.");
  const element = form({
    fields: [{ name: "qty", label: "Tokens", inputMode: "decimal", unit: property.terms.symbol, autocomplete: "off" }],
    submit: "Buy",
    async send({ qty }) {
      const purchase = await buy(property.property_id, qty, (text) => state.replaceChildren(progress("Buying", 0, 0, text)));
      await follow(() => api.get(`/marketplace/purchases/${purchase.purchase_id}`), ({ state: now }) => ["FINAL", "FAILED"].includes(now), (now) => state.replaceChildren(receipt(now)));
      toast("Your purchase is settled.", "good", { href: "/invest/portfolio", text: "See your portfolio" });
      const last = state.firstChild;
      await again();
      document.querySelector("main")?.append(last);
    },
  });
  element.elements.qty.addEventListener("input", ({ target }) => {
    try {
      const micros = units(target.value, 6) * units(sale.price, USDC_DECIMALS);
      cost.textContent = `It costs ${usdc(decimal(micros, 12))}, taken from your wallet in the same transaction that brings the tokens.`;
    } catch (error) {
      cost.textContent = target.value ? error.message : "Type a quantity to see what it costs.";
    }
  });
  element.querySelector(".field").after(cost);
  return element;
}

/** Asks until nothing is missing: an allowance of USDC, then the signed purchase. */
async function buy(propertyId, qty, say) {
  const wallet = await address();
  let body = { property_id: propertyId, wallet, qty };
  for (;;) {
    try {
      return await api.post("/marketplace/buy", body);
    } catch (problem) {
      if (problem.reason === "USDC_APPROVAL_MISSING") {
        say("Your wallet allows the sale to take the USDC.");
        await send(problem.extra.transaction, wallet);
        await new Promise((resolve) => setTimeout(resolve, 1_000)); // the browser's wallet answers before a block has it
      } else if (problem.reason === "SIGNATURE_MISSING" && !body.signature) {
        say("Your wallet signs the purchase.");
        const { typed_data: typed, nonce, deadline } = problem.extra;
        body = { ...body, nonce, deadline, signature: await signTyped(typed, wallet) };
      } else throw problem;
    }
  }
}

export function receipt({ state, qty, usdc: paid, reason, transaction, block, bought_at: at }) {
  return make("div", { class: "panel" }, make("div", { class: "body" },
    make("div", { class: "row" }, make("h3", {}, "Your purchase"), badge(state)),
    state !== "FINAL" && state !== "FAILED" && progress("On its way to the chain", STEPS.indexOf(state) + 1, STEPS.length, reason),
    state === "FAILED" && notice("bad", reason),
    facts([["Tokens", shown(qty)], ["Paid", usdc(paid)], ["Block", block === null ? null : String(block)], ["Bought", at && time(at)], ["Transaction", transaction && make("code", { title: transaction }, short(transaction))]])));
}
