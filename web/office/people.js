// People by id: their address for who may see it, else a short id.

import { api } from "../api.js";
import { make } from "../shell/make.js";
import { short } from "../shell/numbers.js";
import { has } from "./roles.js";

const PAGE = 100;
const PAGES_MOST = 20;

/** Everybody who is registered, for admins and compliance officers. */
export async function everybody() {
  const found = [];
  for (let page = 0; page < PAGES_MOST; page += 1) {
    const more = await api.get("/users", { after: found.at(-1)?.user_id, limit: PAGE });
    found.push(...more);
    if (more.length < PAGE) break;
  }
  return found;
}

/** A function that shows a person by user id, or by an audit name such as "user:ID"; `who` is the reader. */
export async function names(who) {
  const known = new Map([[who.user_id, `${who.email} (you)`]]);
  if (has(who, "ADMIN", "COMPLIANCE_OFFICER")) {
    for (const each of await everybody()) if (!known.has(each.user_id)) known.set(each.user_id, each.email);
  }
  return (id) => {
    if (!id) return "–";
    const userId = id.replace(/^user:/, "");
    return make("span", { class: "person", title: userId }, known.get(userId) ?? (userId.length === 36 ? short(userId) : id));
  };
}
