// What two people decide: a list, and one of them whole.

import { api } from "../api.js";
import { make } from "../shell/make.js";
import { badge } from "../shell/states.js";
import { panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { approvalPanel } from "./approval.js";
import { KINDS } from "./decisions.js";
import { openOffice } from "./open.js";
import { names } from "./people.js";
import { parts, reopenOnChange } from "./place.js";
import { watch } from "./watch.js";

const STATES = [["PROPOSED", "Waiting"], ["APPROVED", "Approved"], ["REJECTED", "Rejected"], ["EXPIRED", "Expired"], ["", "All"]];

async function showOne(main, who, id, name) {
  const place = make("div");
  main.append(make("p", {}, make("a", { href: "/office/approvals" }, "← All approvals")), place);
  const reload = watch(place, () => api.get(`/approvals/${id}`), (found) => approvalPanel(found, who, name, () => reload()));
}

function showAll(main, name) {
  const place = make("div");
  const choice = make("select", { aria: { label: "Which approvals" }, class: "choice" }, STATES.map(([value, text]) => make("option", { value }, text)));
  main.append(panel("What two people decide", place, choice));
  const reload = watch(place, () => api.get("/approvals", { state: choice.value }), (found) => table({
    caption: "Approvals, the newest first",
    rows: found,
    columns: [
      { name: "What", cell: (each) => make("a", { href: `/office/approvals#${each.approval_id}` }, KINDS[each.kind] ?? each.kind) },
      { name: "Of", cell: (each) => each.payload.terms?.name ?? (each.payload.user_id && name(each.payload.user_id)) ?? make("span", { class: "mono", title: each.subject }, each.subject.length > 22 ? `${each.subject.slice(0, 18)}…` : each.subject) },
      { name: "Proposed by", cell: (each) => name(each.proposed_by) },
      { name: "Proposed", cell: (each) => time(each.proposed_at) },
      { name: "Ends by itself", cell: (each) => (each.state === "PROPOSED" ? time(each.expires_at) : "–") },
      { name: "State", cell: (each) => badge(each.state) },
    ],
    none: { title: "Nothing here", text: "What moves property, money or authority is proposed by one person and approved by another; it is listed here." },
  }));
  choice.addEventListener("change", () => {
    choice.blur();
    reload();
  });
}

openOffice({
  title: "Approvals",
  needs: ["ADMIN", "COMPLIANCE_OFFICER", "SETTLEMENT_OPERATOR"],
  async show(main, who) {
    reopenOnChange();
    const [id] = parts();
    const name = await names(who);
    if (id) await showOne(main, who, id, name);
    else showAll(main, name);
  },
});
