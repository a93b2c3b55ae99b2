// Who is signed in. The cookie itself is out of reach of scripts; a note says whether it is worth asking.

import { api } from "../api.js";

const NOTE = "signed-in";
let asked;

/** {user_id, email, roles, has_second_factor, expires_at}, or null for a visitor. Asked once a page. */
export function session() {
  asked ??= localStorage.getItem(NOTE) ? ask() : Promise.resolve(null);
  return asked;
}

async function ask() {
  try {
    return await api.get("/auth/session");
  } catch (problem) {
    if (problem.status !== 401) throw problem;
    localStorage.removeItem(NOTE);
    return null;
  }
}

/** `totp`: the code of a second factor, for who has one. Throws a Problem. */
export async function signIn(email, password, totp) {
  await api.post("/auth/login", { email, password, ...(totp ? { totp } : {}) });
  localStorage.setItem(NOTE, "yes");
  asked = undefined;
}

export async function signOut() {
  try {
    await api.post("/auth/logout");
  } finally {
    localStorage.removeItem(NOTE);
    location.assign("/");
  }
}

/** The page to sign in on, which leads back here. */
export function signInLink() {
  return `/sign-in#${location.pathname}${location.hash}`;
}
