// Who is being identified, and whose accreditation waits for an officer.

import { api } from "../api.js";
import { dialog } from "../shell/dialogs.js";
import { actionButton, form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { badge } from "../shell/states.js";
import { panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { openOffice } from "./open.js";
import { names } from "./people.js";
import { has } from "./roles.js";
import { watch } from "./watch.js";

const DAY_MS = 86_400_000;
const STATES = [["SUBMITTED", "Waiting"], ["APPROVED", "Approved"], ["REJECTED", "Rejected"]];
const STAGES = [["", "All"], ["PENDING", "Being checked"], ["AWAITING_USER", "Waits for the person"], ["ON_HOLD", "On hold"], ["RETRY", "Something is missing"], ["GREEN", "Accepted"], ["REJECTED", "Rejected"], ["CREATED", "Begun"]];

function choice(label, options) {
  return make("select", { class: "choice", aria: { label } }, options.map(([value, text]) => make("option", { value }, text)));
}

function review(found, name, reload) {
  const path = `/accreditation/reviews/${found.review_id}`;
  const decided = (text) => {
    toast(text, "good");
    shown.close();
    reload();
  };
  const documents = make("ul", { class: "bullets" }, found.documents.map((link, index) => make("li", {}, make("a", { href: link, target: "_blank", rel: "noopener" }, `Document ${index + 1}`))));
  const approve = form({
    fields: [{ name: "until", label: "Accredited until", type: "date", min: new Date(Date.now() + DAY_MS).toISOString().slice(0, 10), value: new Date(Date.now() + 90 * DAY_MS).toISOString().slice(0, 10), help: "The exchange enforces this day; the person is reminded before it." }],
    submit: "Approve", kind: "good-button",
    send: async ({ until }) => {
      await api.post(`${path}/approve`, { expires_at: `${until}T00:00:00Z` });
      decided("Approved.");
    },
  });
  const reject = form({
    fields: [{ name: "reason", label: "Or reject, and say why", type: "textarea", maxLength: 800, help: "The person reads this." }],
    submit: "Reject", kind: "danger",
    send: async (body) => {
      await api.post(`${path}/reject`, body);
      decided("Rejected; the person is told why.");
    },
  });
  const shown = dialog("Accreditation", make("p", {}, "Of ", name(found.user_id), ", submitted ", time(found.submitted_at), "."), documents, approve, reject);
}

function reviews(main, name, who) {
  const place = make("div");
  const state = choice("Which reviews", STATES);
  main.append(panel("Accreditation", place, state));
  const reload = watch(place, () => api.get("/accreditation/reviews", { state: state.value }), (found) => table({
    caption: "Accreditation reviews, the oldest first",
    rows: found,
    columns: [
      { name: "Person", cell: (each) => name(each.user_id) },
      { name: "Submitted", cell: (each) => time(each.submitted_at) },
      { name: "Documents", cell: (each) => `${each.documents.length} files`, isNumber: true },
      { name: "State", cell: (each) => badge(each.state) },
      { name: "Until", cell: (each) => time(each.expires_at, "day") },
      { name: "Reason", cell: (each) => each.reason || "–" },
      { name: "", cell: (each) => (each.state !== "SUBMITTED" ? "" : each.user_id === who.user_id ? "Another officer decides yours." : actionButton("Review", () => review(each, name, () => reload()), { kind: "primary small" })) },
    ],
    none: { title: "No review here", text: "What people send in to show their accreditation waits here for an officer." },
  }));
  state.addEventListener("change", () => {
    state.blur();
    reload();
  });
}

function applicants(main, name) {
  const place = make("div");
  const stage = choice("Which applicants", STAGES);
  main.append(panel("Identity checks", place, stage));
  const reload = watch(place, () => api.get("/kyc/applicants", { stage: stage.value }), (found) => table({
    caption: "People at the identity provider, the newest first",
    rows: found,
    columns: [
      { name: "Person", cell: (each) => name(each.user_id) },
      { name: "At the provider", cell: (each) => badge(each.stage) },
      { name: "Here", cell: (each) => badge(each.kyc) },
      { name: "Country", cell: (each) => each.country ?? "–" },
      { name: "Verified until", cell: (each) => time(each.kyc_expires_at, "day") },
      { name: "Not accepted", cell: (each) => each.reject_labels.join(", ").toLowerCase().replaceAll("_", " ") || "–" },
      { name: "Last heard", cell: (each) => time(each.heard_at) },
    ],
    none: { title: "Nobody here", text: "The identity provider checks people; what it says of each is listed here." },
  }));
  stage.addEventListener("change", () => {
    stage.blur();
    reload();
  });
}

openOffice({
  title: "Compliance",
  needs: ["COMPLIANCE_OFFICER", "ADMIN"],
  async show(main, who) {
    const name = await names(who);
    if (has(who, "COMPLIANCE_OFFICER")) reviews(main, name, who);
    applicants(main, name);
  },
});
