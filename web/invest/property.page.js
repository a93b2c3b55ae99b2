// One property: its terms, its documents, and its first sale.

import { api } from "../api.js";
import { make } from "../shell/make.js";
import { basisPoints, shown, short, usdc } from "../shell/numbers.js";
import { openPage } from "../shell/page.js";
import { session, signInLink } from "../shell/session.js";
import { badge, empty, fill, notice } from "../shell/states.js";
import { facts, panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { REGIMES } from "./regimes.js";
import { saleBody } from "./sale.js";

const id = location.hash.slice(1);
addEventListener("hashchange", () => location.reload());

function terms({ terms: of, token, market, tokenized_at: at }) {
  return facts([
    ["Address", of.address],
    ["Valuation", usdc(of.valuation_usdc)],
    ["Tokens", `${shown(of.supply_tokens)} ${of.symbol}`],
    ["Who may buy", REGIMES[of.regime].name],
    ["Countries", of.allowed_countries ? of.allowed_countries.join(", ") : "all"],
    ["Lock-up", of.lock_up_days ? `${of.lock_up_days} days after the purchase` : "none"],
    ["Most holders", of.holder_cap ? shown(String(of.holder_cap)) : "no cap"],
    ["Most for one person", of.ownership_cap_bps ? basisPoints(of.ownership_cap_bps) : "no cap"],
    ["Trading fees", `${basisPoints(of.maker_fee_bps)} resting, ${basisPoints(of.taker_fee_bps)} taking`],
    ["Token contract", token ? make("code", { title: token }, short(token)) : "–"],
    ["Market", market ? make("a", { href: `/market#${market}` }, market) : "–"],
    ["Tokenized", time(at, "day")],
  ]);
}

/** Its regime, and its lock-up where it has one: a regime may come without. */
function whoMayBuy({ regime, lock_up_days: days }) {
  return make("p", {}, REGIMES[regime].text, days > 0 && ` What is bought is locked up for ${shown(String(days))} days.`);
}

function documents(found) {
  return table({
    caption: "Documents",
    columns: [
      { name: "Document", cell: (each) => make("a", { href: each.link, target: "_blank", rel: "noopener" }, each.name) },
      { name: "Size", cell: (each) => `${shown(String(Math.ceil(each.size_bytes / 1024)))} KiB`, isNumber: true },
      { name: "SHA-256", cell: (each) => make("code", { title: each.sha256 }, short(each.sha256)) },
      { name: "Added", cell: (each) => time(each.created_at, "day") },
    ],
    rows: found,
    none: { title: "No document", text: "The manager has added none." },
  });
}

/** The sale, or null where there never was one. */
async function sale() {
  return api.get(`/properties/${id}/sale`).catch((problem) => {
    if (problem.status === 404) return null;
    throw problem;
  });
}

openPage({
  title: "Property",
  needs: "nobody",
  isTitled: false,
  async show(main) {
    const [property, who] = await Promise.all([api.get(`/properties/${id}`), session()]);
    document.title = `${property.terms.name} · Deedbook`;
    const papers = make("div", { class: "flush" });
    const selling = make("div", { class: "column" });
    main.append(
      make("div", { class: "row" }, make("div", {}, make("h2", { class: "big" }, property.terms.name), make("p", { class: "quiet" }, property.terms.address)), badge(property.state)),
      make("div", { class: "columns wide-first" },
        make("div", { class: "column" }, panel("The property", terms(property)), panel("Documents", papers)),
        make("div", { class: "column" }, panel("First sale", selling), panel("Who may buy", whoMayBuy(property.terms)))));
    if (!who) {
      for (const place of [papers, selling]) place.append(notice("note", make("a", { href: signInLink() }, "Sign in"), " to see this."));
      return;
    }
    const draw = () => fill(selling, sale, (found) => found ? saleBody(property, found, draw) : empty("No first sale", "Tokens of this property are traded on its market."));
    await Promise.all([fill(papers, () => api.get(`/properties/${id}/documents`), documents), draw()]);
  },
});
