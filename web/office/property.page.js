// One property: what comes next, its terms, its documents, and its first sale.

import { api } from "../api.js";
import { actionButton, form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { basisPoints, tokens, usdc } from "../shell/numbers.js";
import { fill, follow, notice, progress } from "../shell/states.js";
import { facts, panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { sayDecision, waitingFor } from "./decisions.js";
import { hash } from "./hash.js";
import { openOffice } from "./open.js";
import { parts, reopenOnChange } from "./place.js";
import { propertyHead, propertyOf } from "./property.js";
import { has } from "./roles.js";
import { salePanel } from "./sale.js";
import { size, uploader } from "./upload.js";

const EDITABLE = ["DRAFT", "REJECTED"];
const AFTER = ["TOKENIZED", "LIQUIDATING", "CLOSED"];
const REGIMES = { OPEN: "Open", REG_D_506C: "Reg D 506(c)", REG_S: "Reg S" };
const failed = (problem) => toast(problem.message, "bad");

// -- what comes next

function steps(property, documents, isOwn) {
  const state = property.state;
  const done = (is) => ({ class: is ? "done" : "" });
  const handedIn = !EDITABLE.includes(state);
  return make(
    "ol", { class: "steps" },
    make("li", done(documents.length > 0), make("strong", {}, "Documents"), make("span", { class: "quiet" }, documents.length ? `${documents.length} added` : "At least one, such as the deed.")),
    make("li", done(property.issuer_wallet), make("strong", {}, "Issuer's wallet"),
      property.issuer_wallet ? make("span", { class: "quiet" }, "The whole supply is minted to ", hash(property.issuer_wallet, "address"))
        : make("span", { class: "quiet" }, "Choose it in the terms. ", isOwn && make("a", { href: `/office/draft#${property.property_id}` }, "Change the terms"))),
    make("li", done(handedIn), make("strong", {}, "Handed in"), make("span", { class: "quiet" }, handedIn ? "Its terms stand." : "Its terms may still change.")),
    make("li", done(state === "APPROVED"), make("strong", {}, "Approved by two admins"), make("span", { class: "quiet" }, "They approve these terms and these very documents.")),
    make("li", {}, make("strong", {}, "Token deployed, listed and minted"), make("span", { class: "quiet" }, "Two admins decide this too; then it takes about a minute.")),
  );
}

async function nextPanel(property, documents, who, reload) {
  const isOwn = property.manager_id === who.user_id;
  const isAdmin = has(who, "ADMIN") && !isOwn;
  if (AFTER.includes(property.state)) return standing(property);
  const acts = make("div", { class: "column" });
  const body = make("div", { class: "columns" }, steps(property, documents, isOwn), acts);
  if (property.reject_reason && property.state === "REJECTED") acts.append(notice("bad", make("strong", {}, "Given back: "), property.reject_reason));
  if (isOwn && EDITABLE.includes(property.state)) acts.append(...handingIn(property, documents, reload));
  else if (property.state === "PENDING_APPROVAL") acts.append(...(isAdmin ? await deciding(property, "PROPERTY_APPROVE", reload) : [notice("note", "Two admins look at it now. You will be told.")]));
  else if (property.state === "APPROVED") acts.append(...(await minting(property, isAdmin, reload)));
  return panel(EDITABLE.includes(property.state) ? "What is missing" : "How far it is", body);
}

function standing(property) {
  const text = { TOKENIZED: null, LIQUIDATING: "It is being sold: trading has ended for good.", CLOSED: "Sold; every token is burned and paid for." }[property.state];
  return panel("On the chain", make("div", { class: "column" }, text && notice("note", text), facts([
    ["Token", hash(property.token, "address")],
    ["Issuer's wallet", hash(property.issuer_wallet, "address")],
    ["Market", property.market],
    ["Since", time(property.tokenized_at)],
  ])), property.state === "TOKENIZED" && make("a", { class: "button small", href: `/market#${property.market}` }, "Open its market"));
}

function handingIn(property, documents, reload) {
  const handIn = actionButton("Hand in for approval", async () => {
    await api.post(`/properties/${property.property_id}/submit`);
    toast("Handed in. Two admins look at it now.", "good");
    reload();
  }, { kind: "primary", failed });
  handIn.disabled = documents.length === 0 || !property.issuer_wallet;
  return [make("div", { class: "buttons" }, make("a", { class: "button", href: `/office/draft#${property.property_id}` }, "Change the terms"), handIn)];
}

async function deciding(property, kind, reload) {
  const path = kind === "MINT" ? `/tokens/mint/${property.property_id}` : `/properties/${property.property_id}/approve`;
  const open = await waitingFor(property.property_id, kind);
  const word = kind === "MINT" ? "the mint" : "the approval";
  const propose = actionButton(kind === "MINT" ? "Propose to deploy and mint" : "Propose to approve", async () => {
    sayDecision(await api.post(path));
    reload();
  }, { kind: "primary", failed });
  const reject = form({
    fields: [{ name: "reason", label: "Or give it back, and say why", type: "textarea", maxLength: 800 }],
    submit: "Give it back", kind: "danger",
    send: async ({ reason }) => {
      await api.post(`/properties/${property.property_id}/reject`, { reason });
      toast("Given back to its manager.", "good");
      reload();
    },
  });
  return [
    open ? notice("note", `${word.charAt(0).toUpperCase()}${word.slice(1)} is proposed and waits for a second admin. `, make("a", { href: `/office/approvals#${open.approval_id}` }, "See exactly what is approved")) : propose,
    reject,
  ];
}

/** Deploying takes a minute: shown step by step until it is done. */
async function minting(property, isAdmin, reload) {
  const load = () => api.get(`/properties/${property.property_id}/progress`);
  const first = await load().catch((problem) => {
    if (problem.status === 404) return null;
    throw problem;
  });
  if (first === null) return isAdmin ? deciding(property, "MINT", reload) : [notice("note", "Approved. Two admins decide next that its token is deployed and minted.")];
  const place = make("div");
  const show = (job) => place.replaceChildren(
    job.state === "FAILED" ? notice("bad", make("strong", {}, "The deployment has failed: "), job.reason, ". An operator can have it tried again.")
      : progress("Deploying the token", job.steps_done, job.steps_of, job.reason ? `${job.step}; waits: ${job.reason}` : job.step),
  );
  show(first);
  follow(load, (job) => job.state === "DONE", show, 1_500).then(() => reload());
  return [place];
}

// -- what it is

function termsPanel({ terms, ...property }, isOwn) {
  const countries = terms.allowed_countries?.join(", ") ?? "every one that the regime allows";
  const edit = isOwn && EDITABLE.includes(property.state) && make("a", { href: `/office/draft#${property.property_id}` }, "Change");
  return panel("Terms", facts([
    ["Valuation", usdc(terms.valuation_usdc)],
    ["Supply", tokens(terms.supply_tokens, "tokens")],
    ["Who may hold it", REGIMES[terms.regime]],
    ["Countries", countries],
    ["Most holders", terms.holder_cap ? `${terms.holder_cap} people` : "any number"],
    ["Most for one owner", terms.ownership_cap_bps ? basisPoints(terms.ownership_cap_bps) : "no cap"],
    ["Lock-up", terms.lock_up_days ? `${terms.lock_up_days} days` : "none"],
    ["Price step", usdc(terms.tick_usdc)],
    ["Highest price", usdc(terms.price_max_usdc)],
    ["Smallest quantity", `1 / ${10 ** terms.lot_decimals} token`],
    ["Fees", `maker ${basisPoints(terms.maker_fee_bps)}, taker ${basisPoints(terms.taker_fee_bps)}`],
    ["Drafted", time(property.created_at)],
  ]), edit);
}

function documentsPanel(property, documents, isOwn, reload) {
  const list = table({
    caption: "Documents",
    rows: documents,
    columns: [
      { name: "Document", cell: (each) => make("a", { href: each.link, target: "_blank", rel: "noopener" }, each.name) },
      { name: "Size", cell: (each) => size(each.size_bytes), isNumber: true },
      { name: "SHA-256", cell: (each) => hash(each.sha256, "sha256") },
      { name: "Added", cell: (each) => time(each.created_at) },
    ],
    none: { title: "No document yet", text: isOwn ? "Add the deed, a valuation, photographs." : "Its manager has added none." },
  });
  return panel("Documents", make("div", { class: "column" }, list, isOwn && EDITABLE.includes(property.state) && uploader(`/properties/${property.property_id}/documents`, reload)));
}

openOffice({
  title: "Property",
  needs: ["PROPERTY_MANAGER", "ADMIN"],
  isTitled: false,
  async show(main, who) {
    const [id] = parts();
    reopenOnChange();
    const page = make("div", { class: "column" });
    main.append(page);
    const load = () => Promise.all([propertyOf(id), api.get(`/properties/${id}/documents`)]);
    const reload = () => fill(page, load, draw);
    const draw = async ([property, documents]) => {
      const isOwn = property.manager_id === who.user_id;
      document.title = `${property.terms.name} · Deedbook`;
      return [
        ...propertyHead(property, who),
        await nextPanel(property, documents, who, reload),
        property.state === "TOKENIZED" && (await salePanel(property, isOwn, reload)),
        make("div", { class: "columns wide-first" }, documentsPanel(property, documents, isOwn, reload), termsPanel(property, isOwn)),
      ];
    };
    await reload();
    addEventListener("deedbook-message", ({ detail }) => /^PROPERTY_|^SALE_/.test(detail.kind) && reload());
  },
});
