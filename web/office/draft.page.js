// A property's terms: drafted, or changed while it is a draft or was given back.

import { api } from "../api.js";
import { form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { openOffice } from "./open.js";
import { notice } from "../shell/states.js";
import { panel } from "../shell/tables.js";
import { parts } from "./place.js";
import { propertyOf } from "./property.js";

const REGIMES = [
  ["OPEN", "Open: whoever is identified"],
  ["REG_D_506C", "Reg D 506(c): accredited investors"],
  ["REG_S", "Reg S: outside the United States"],
];

/** Names as the API has them; a `group` begins a heading. */
function fields(terms, wallets, issuerWallet) {
  const at = (name, fallback) => terms?.[name] ?? fallback;
  return [
    { name: "name", label: "Name", value: at("name", ""), maxLength: 100, help: "As people will know it, such as 12 Oak Street." },
    { name: "symbol", label: "Symbol", value: at("symbol", ""), maxLength: 12, help: "2 to 12 capital letters and digits, such as OAK12. It cannot change once there is a token." },
    { name: "address", label: "Address of the building", value: at("address", ""), maxLength: 300 },
    { name: "valuation_usdc", label: "Valuation", value: at("valuation_usdc", ""), unit: "USDC", inputMode: "decimal" },
    { name: "supply_tokens", label: "Supply", value: at("supply_tokens", ""), unit: "tokens", inputMode: "numeric", help: "Whole tokens; all of them are minted to the issuer's wallet." },
    {
      name: "issuer_wallet", label: "Issuer's wallet", type: "select", required: false, value: issuerWallet ?? wallets[0]?.address ?? "",
      options: [["", "Choose later"], ...wallets.map(({ address }) => [address, address])], help: "One of your linked wallets; your identity must be verified before you hand in.",
    },
    { name: "regime", label: "Who may hold it", type: "select", value: at("regime", "OPEN"), options: REGIMES },
    { name: "allowed_countries", label: "Countries", required: false, value: (at("allowed_countries", null) ?? []).join(", "), help: "Two-letter codes with commas, such as DE, FR; none: every country that the regime allows." },
    { name: "holder_cap", label: "Most holders", type: "number", min: 0, value: at("holder_cap", 0), unit: "people", help: "The issuer counts too. 0: any number." },
    { name: "ownership_cap_bps", label: "Most that one owner may hold", type: "number", min: 0, max: 10000, value: at("ownership_cap_bps", 0), unit: "basis points", help: "100 basis points are 1 % of the supply. 0: no cap." },
    { name: "lock_up_days", label: "Lock-up after the first sale", type: "number", min: 0, value: at("lock_up_days", 0), unit: "days", help: "Reg D and Reg S ask for up to a year: 365. 0: none." },
    { name: "tick_usdc", label: "Price step", value: at("tick_usdc", "0.01"), unit: "USDC", inputMode: "decimal" },
    { name: "price_max_usdc", label: "Highest price", value: at("price_max_usdc", "100000"), unit: "USDC", inputMode: "decimal" },
    { name: "lot_decimals", label: "Smallest quantity", type: "number", min: 0, max: 12, value: at("lot_decimals", 2), unit: "decimals of a token", help: "2: a hundredth of a token." },
    { name: "maker_fee_bps", label: "Maker fee", type: "number", min: 0, max: 1000, value: at("maker_fee_bps", 5), unit: "basis points" },
    { name: "taker_fee_bps", label: "Taker fee", type: "number", min: 0, max: 1000, value: at("taker_fee_bps", 10), unit: "basis points" },
  ];
}

const NUMBERS = ["holder_cap", "ownership_cap_bps", "lock_up_days", "lot_decimals", "maker_fee_bps", "taker_fee_bps"];

function asBody(values) {
  const { issuer_wallet: wallet, allowed_countries: countries, ...terms } = values;
  for (const name of NUMBERS) terms[name] = Number(terms[name]);
  terms.symbol = terms.symbol.toUpperCase();
  terms.allowed_countries = countries ? countries.toUpperCase().split(/[\s,]+/).filter(Boolean) : null;
  return { terms, issuer_wallet: wallet || null };
}

openOffice({
  title: "Draft a property",
  needs: ["PROPERTY_MANAGER"],
  isTitled: false,
  async show(main) {
    const [id] = parts();
    const [found, wallets] = await Promise.all([id ? propertyOf(id) : null, api.get("/wallets")]);
    const title = found ? `Terms of ${found.terms.name}` : "Draft a property";
    document.title = `${title} · Deedbook`;
    const send = async (values) => {
      try {
        const body = asBody(values);
        const made = found ? await api.patch(`/properties/${id}`, body) : await api.post("/properties", body);
        location.assign(`/office/property#${made.property_id}`);
      } catch (problem) {
        if (problem.extra) problem.extra.field = problem.extra.term;
        throw problem;
      }
    };
    const terms = form({ fields: fields(found?.terms, wallets, found?.issuer_wallet), submit: found ? "Save the terms" : "Save the draft", send });
    terms.classList.add("two-columns");
    main.append(make(
      "div", { class: "column" },
      make("h1", {}, title),
      wallets.length === 0 && notice("warn", "You have no linked wallet yet; you need one before you hand the property in. ", make("a", { href: "/account/wallets" }, "Link a wallet")),
      panel("Terms", terms),
    ));
    main.querySelectorAll("[inputmode=decimal], [inputmode=numeric]").forEach((input) => input.setAttribute("autocomplete", "off"));
  },
});
