// Who is registered, and which roles they have.

import { api } from "../api.js";
import { dialog } from "../shell/dialogs.js";
import { actionButton, form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { badge, words } from "../shell/states.js";
import { panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { sayDecision } from "./decisions.js";
import { hash } from "./hash.js";
import { openOffice } from "./open.js";
import { everybody } from "./people.js";
import { has } from "./roles.js";
import { watch } from "./watch.js";

const GIVEN = ["PROPERTY_MANAGER", "TENANT", "COMPLIANCE_OFFICER", "SETTLEMENT_OPERATOR", "ADMIN"];
const DOES = {
  PROPERTY_MANAGER: "drafts properties, leases them, opens first sales",
  TENANT: "pays rent",
  COMPLIANCE_OFFICER: "decides accreditation, proposes and approves freezes",
  SETTLEMENT_OPERATOR: "watches settlement, halts trading, retries what failed",
  ADMIN: "decides with another admin, appoints others",
};

function appoint(person, reload) {
  const shown = dialog(`Roles of ${person.email}`, form({
    fields: GIVEN.map((role) => ({ name: role, label: `${words(role)}: ${DOES[role]}`, type: "checkbox", checked: person.roles.includes(role) })),
    submit: "Give exactly these roles",
    send: async (values) => {
      const answer = await api.put(`/users/${person.user_id}/roles`, { roles: GIVEN.filter((role) => values[role]) });
      if (answer.decision) sayDecision(answer.decision);
      else toast(`${person.email} has these roles now.`, "good");
      shown.close();
      reload();
    },
  }), make("p", { class: "quiet" }, "Everybody is an investor too. Managers, officers, operators and admins need a second factor before a role counts."));
}

openOffice({
  title: "People",
  needs: ["ADMIN", "COMPLIANCE_OFFICER"],
  async show(main, who) {
    const place = make("div");
    const search = make("input", { type: "search", class: "choice", placeholder: "Find by e-mail", aria: { label: "Find by e-mail" } });
    const isAdmin = has(who, "ADMIN");
    let all = [];
    main.append(panel("Everybody who is registered", place, search));
    const draw = () => table({
      caption: "People",
      rows: all.filter((each) => each.email.includes(search.value.trim().toLowerCase())),
      columns: [
        { name: "E-mail", cell: (each) => each.email },
        { name: "Id", cell: (each) => hash(each.user_id, "id") },
        { name: "Address", cell: (each) => badge(each.is_verified ? "VERIFIED" : "PENDING", each.is_verified ? "Verified" : "Not verified") },
        { name: "Second factor", cell: (each) => (each.has_second_factor ? "yes" : "no") },
        { name: "Roles", cell: (each) => make("span", { class: "badges" }, each.roles.filter((role) => role !== "INVESTOR").map((role) => badge(role)), each.roles.length <= 1 && make("span", { class: "quiet" }, "investor")) },
        { name: "Since", cell: (each) => time(each.created_at, "day") },
        ...(isAdmin ? [{ name: "", cell: (each) => (each.user_id === who.user_id ? "" : actionButton("Roles", () => appoint(each, () => reload()), { kind: "small" })) }] : []),
      ],
      none: { title: "Nobody", text: "Nobody's e-mail has this in it." },
    });
    const reload = watch(place, everybody, (found) => {
      all = found;
      return draw();
    }, 10_000);
    search.addEventListener("input", () => place.replaceChildren(draw()));
  },
});
