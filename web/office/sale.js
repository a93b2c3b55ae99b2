// A property's first sale: opened, watched and closed by its manager.

import { api } from "../api.js";
import { actionButton, form } from "../shell/forms.js";
import { confirmed } from "../shell/dialogs.js";
import { make } from "../shell/make.js";
import { percent, tokens, units, usdc } from "../shell/numbers.js";
import { badge, notice, progress } from "../shell/states.js";
import { facts, panel } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { send } from "../shell/wallet.js";

const DAY_MS = 86_400_000;
const OVER = ["CLOSED", "FAILED"];

/** The panel of the property's sale; `isOwn`: the reader may open and close it. */
export async function salePanel(property, isOwn, reload) {
  const sale = await api.get(`/properties/${property.property_id}/sale`).catch((problem) => {
    if (problem.status === 404) return null;
    throw problem;
  });
  const isOver = !sale || OVER.includes(sale.state);
  return panel("First sale", make(
    "div", { class: "column" },
    sale ? standing(sale, property.terms.symbol) : make("p", { class: "quiet" }, "No sale so far: the whole supply is in the issuer's wallet."),
    isOwn && isOver && opening(property, reload),
    isOwn && sale?.state === "OPEN" && make("div", { class: "buttons" }, closing(property, reload)),
  ), sale && badge(sale.state));
}

function standing(sale, symbol) {
  const sold = units(sale.qty_sold, 18);
  const most = units(sale.qty_max, 18);
  const bar = progress("Sold", Number((sold * 1000n) / most), 1000, `${tokens(sale.qty_sold, symbol)} of ${tokens(sale.qty_max, symbol)}; ${tokens(sale.qty_left, symbol)} left`);
  bar.querySelector(".row .quiet").textContent = percent(sold, most, 1);
  return make(
    "div", { class: "column" },
    sale.state === "FAILED" && notice("bad", make("strong", {}, "The contract refused it: "), sale.failure),
    bar,
    facts([
      ["Price", `${usdc(sale.price)} a token`],
      ["Most for one buyer", tokens(sale.per_buyer_max, symbol)],
      ["Opens", time(sale.opens_at)],
      ["Closes", time(sale.closes_at)],
    ]),
  );
}

/** In the reader's zone, as <input type="datetime-local"> has it. */
function local(ms) {
  return new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function opening(property, reload) {
  const { supply_tokens: supply, valuation_usdc: valuation, symbol } = property.terms;
  const fair = (units(valuation, 6) / units(supply, 0)).toString().padStart(7, "0");
  return form({
    fields: [
      { name: "price", label: "Price of a token", unit: "USDC", inputMode: "decimal", value: `${fair.slice(0, -6)}.${fair.slice(-6, -4)}`, help: "Valuation divided by supply, to begin with." },
      { name: "qty_max", label: "Offered", unit: symbol, inputMode: "decimal", value: supply },
      { name: "per_buyer_max", label: "Most for one buyer", unit: symbol, inputMode: "decimal", value: supply },
      { name: "opens_at", label: "Opens", type: "datetime-local", value: local(Date.now()) },
      { name: "closes_at", label: "Closes", type: "datetime-local", value: local(Date.now() + 30 * DAY_MS) },
    ],
    submit: "Open the sale",
    send: async (values) => {
      const body = { ...values, opens_at: new Date(values.opens_at).toISOString(), closes_at: new Date(values.closes_at).toISOString() };
      await opened(`/properties/${property.property_id}/sale`, body);
      toast("The sale is being opened on the chain.", "good");
      reload();
    },
  });
}

/** Where the issuer has not let the contract take the tokens yet, that is signed first. */
async function opened(path, body) {
  try {
    return await api.post(path, body);
  } catch (problem) {
    if (problem.reason !== "ISSUER_APPROVAL_MISSING") throw problem;
    if (!(await confirmed("Let the sale take the tokens", problem.message, "Sign with the issuer's wallet"))) throw problem;
    await send(problem.extra.transaction);
    return api.post(path, body);
  }
}

function closing(property, reload) {
  return actionButton("Close the sale", async () => {
    if (!(await confirmed("Close the sale", "Nothing more is sold. Another sale can be opened later.", "Close it", true))) return;
    await api.post(`/properties/${property.property_id}/sale/close`);
    toast("The sale is being closed on the chain.", "good");
    reload();
  }, { kind: "danger", failed: (problem) => toast(problem.message, "bad") });
}
