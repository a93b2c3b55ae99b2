// Every property that can be bought or traded, as cards: what it is worth, what it pays, and who may buy it.

import { api } from "../api.js";
import { make } from "../shell/make.js";
import { shown, usdc } from "../shell/numbers.js";
import { openPage } from "../shell/page.js";
import { badge, empty, fill } from "../shell/states.js";
import { facts } from "../shell/tables.js";
import { REGIMES, rateOf } from "./regimes.js";

async function load() {
  const [page, markets] = await Promise.all([api.get("/properties", { limit: 100 }), api.get("/markets")]);
  const traded = new Map(markets.filter((each) => each.property).map((each) => [each.property.property_id, each]));
  return page.properties.filter(({ state }) => ["TOKENIZED", "LIQUIDATING", "CLOSED"].includes(state)).map((each) => ({ ...each, traded: traded.get(each.property_id) }));
}

function card({ property_id: id, state, terms, market, traded }) {
  return make("article", { class: "panel card" },
    make("div", { class: "facade", aria: { hidden: "true" }, data: { hue: String([...terms.symbol].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 4) } }, make("span", {}, terms.symbol)),
    make("div", { class: "body" },
      make("div", { class: "row" }, make("h2", {}, make("a", { href: `/invest/property#${id}` }, terms.name)), badge(state)),
      make("p", { class: "quiet" }, terms.address),
      facts([["Valuation", usdc(terms.valuation_usdc)], ["Tokens", shown(terms.supply_tokens)], ["Paid, 12 months", traded ? rateOf(traded.property) : "–"], ["Who may buy", REGIMES[terms.regime].name]]),
      make("div", { class: "buttons" }, make("a", { class: "button primary", href: `/invest/property#${id}`, aria: { label: `See the property ${terms.name}` } }, "See the property"),
        market && state === "TOKENIZED" && make("a", { class: "button", href: `/market#${market}`, aria: { label: `Trade ${terms.symbol}` } }, "Trade"))));
}

openPage({
  title: "Properties",
  needs: "nobody",
  async show(main) {
    const place = make("div", { class: "cards" });
    main.append(place);
    await fill(place, load, (properties) => properties.length ? properties.map(card)
      : empty("No property is offered yet", "Those that are tokenized here appear with their documents and their first sale.", make("a", { class: "button primary", href: "/" }, "See the markets")));
  },
});
