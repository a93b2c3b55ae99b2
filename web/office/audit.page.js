// Who did what: the audit log, whose entries are chained by their hashes.

import { api } from "../api.js";
import { actionButton } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { panel, csv, download, table } from "../shell/tables.js";
import { fill } from "../shell/states.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { hash } from "./hash.js";
import { openOffice } from "./open.js";
import { everybody, names } from "./people.js";

const PAGE = 50;

function details(entry) {
  const pairs = Object.entries(entry.details);
  if (pairs.length === 0) return "–";
  return make("details", {}, make("summary", {}, pairs.slice(0, 2).map(([name]) => name.replaceAll("_", " ")).join(", ")), make("dl", { class: "details" }, pairs.map(([name, value]) => [make("dt", {}, name.replaceAll("_", " ")), make("dd", { class: "mono" }, typeof value === "string" ? value : JSON.stringify(value))])));
}

openOffice({
  title: "Audit log",
  needs: ["ADMIN", "COMPLIANCE_OFFICER"],
  async show(main, who) {
    const [name, people] = await Promise.all([names(who), everybody()]);
    const place = make("div");
    const person = make("select", { class: "choice", aria: { label: "About whom" } }, make("option", { value: "" }, "About everybody"), people.map((each) => make("option", { value: each.user_id }, each.email)));
    let entries = [];
    const load = (before) => api.get("/audit", { user_id: person.value, before, limit: PAGE });
    const draw = (found) => {
      entries = [...entries, ...found];
      more.hidden = found.length < PAGE;
      return table({
        caption: "Audit log, the newest first",
        rows: entries,
        columns: [
          { name: "Entry", cell: (each) => String(each.entry_id) },
          { name: "At", cell: (each) => time(each.at) },
          { name: "Who", cell: (each) => name(each.actor) },
          { name: "What", cell: (each) => each.action },
          { name: "About", cell: (each) => (each.user_id ? name(each.user_id) : each.address ? hash(each.address, "address") : each.instrument !== null ? `instrument ${each.instrument}` : "–") },
          { name: "Details", cell: details },
          { name: "Hash", cell: (each) => hash(each.hash, "hash") },
        ],
        none: { title: "No entry", text: "Nothing was done about this person." },
      });
    };
    const more = actionButton("Show older ones", () => fill(place, () => load(entries.at(-1)?.entry_id), draw), { kind: "small", failed: (problem) => toast(problem.message, "bad") });
    const keep = actionButton("Keep as CSV", () => download("audit.csv", csv([["entry", "at", "actor", "action", "user", "address", "instrument", "details", "hash"], ...entries.map((each) => [each.entry_id, each.at, each.actor, each.action, each.user_id, each.address, each.instrument, JSON.stringify(each.details), each.hash])]), "text/csv"), { kind: "small" });
    more.hidden = true;
    main.append(make("p", { class: "quiet" }, "Each entry's hash is made of the one before and of itself, so that none can be changed or left out unseen."), panel("Entries", [place, make("div", { class: "buttons pad" }, more)], make("div", { class: "buttons" }, person, keep)));
    const begin = () => {
      entries = [];
      return fill(place, () => load(), draw);
    };
    person.addEventListener("change", begin);
    await begin();
  },
});
