// One approval: exactly what is approved, checked against its hash here, and the two ways to decide.

import { api } from "../api.js";
import { confirmed } from "../shell/dialogs.js";
import { actionButton, form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { badge, notice } from "../shell/states.js";
import { facts, panel } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { KINDS, payloadView, waitingFor } from "./decisions.js";
import { sha256 } from "./hash.js";

/** A sentence that leads to the approval that waits for a subject; null for none. */
export async function approvalNote(subject, ...kinds) {
  const open = await waitingFor(subject, ...kinds);
  return open && notice("note", "It waits for a second person. ", make("a", { href: `/office/approvals#${open.approval_id}` }, "See exactly what is approved, and decide"));
}

function about({ kind, payload }) {
  const id = payload.property_id;
  if (kind === "PROPERTY_APPROVE" || kind === "MINT") return make("a", { href: `/office/property#${id}` }, "Look at the property and its documents");
  if (kind === "BURN") return make("a", { href: `/office/exit#${id}` }, "Look at what each holder gets");
  if (kind === "RENT_TERMS" || kind === "MANAGER_PAYMENT") return make("a", { href: `/office/income#${id}` }, "Look at the property's income");
  return null;
}

function dividendLink({ kind, subject }) {
  return kind === "DIVIDEND" ? make("a", { href: `/office/dividend#${subject}` }, "Look at what each holder gets") : null;
}

/** The hash is made anew from the very text that is approved: what is shown is what is decided. */
async function hashBlock(approval) {
  const made = await sha256(approval.payload_json);
  const isSame = made === approval.payload_hash;
  return make(
    "div", { class: "column" },
    make("div", {}, make("p", { class: "quiet" }, "SHA-256 of what is approved"), make("code", { class: "whole" }, approval.payload_hash)),
    isSame ? notice("good", "This browser made the same hash from the text below.") : notice("bad", `This browser made another hash (${made}): do not approve, and tell an operator.`),
    make("details", {}, make("summary", {}, "The exact text that is hashed"), make("pre", { class: "mono payload", tabIndex: 0, aria: { label: "The exact text" } }, approval.payload_json)),
  );
}

function deciding(approval, who, decided) {
  if (approval.state !== "PROPOSED") return null;
  const path = `/approvals/${approval.approval_id}`;
  const isOwn = approval.proposed_by === who.user_id;
  const approve = actionButton("Approve exactly this", async () => {
    const text = `${KINDS[approval.kind]}. It is carried out at once and cannot be taken back.`;
    if (!(await confirmed("Approve", text, "Approve", false))) return;
    await api.post(`${path}/approve`, { payload_hash: approval.payload_hash });
    toast("Approved; it is being carried out.", "good");
    decided();
  }, { kind: "primary", failed: (problem) => toast(problem.message, "bad") });
  const reject = form({
    fields: [{ name: "reason", label: isOwn ? "Take it back, and say why" : "Reject it, and say why", maxLength: 1000 }],
    submit: isOwn ? "Take it back" : "Reject", kind: "danger", isInline: true,
    send: async (body) => {
      await api.post(`${path}/reject`, body);
      toast("Rejected.", "good");
      decided();
    },
  });
  return make("div", { class: "column" }, isOwn ? notice("note", "You proposed this: another person has to approve it.") : make("div", { class: "buttons" }, approve), reject);
}

/** The whole of one approval. `name` shows a person, `decided` is called after a decision. */
export async function approvalPanel(approval, who, name, decided) {
  return panel(KINDS[approval.kind] ?? approval.kind, make(
    "div", { class: "column" },
    facts([
      ["Proposed by", name(approval.proposed_by)],
      ["Proposed", time(approval.proposed_at)],
      [approval.state === "PROPOSED" ? "Ends by itself" : "Decided", time(approval.state === "PROPOSED" ? approval.expires_at : approval.decided_at)],
      ["Decided by", approval.decided_by && name(approval.decided_by)],
      ["Reason", approval.reason],
    ]),
    make("h3", {}, "What is approved"),
    payloadView(approval.payload),
    about(approval) ?? dividendLink(approval),
    await hashBlock(approval),
    deciding(approval, who, decided),
  ), badge(approval.state));
}
