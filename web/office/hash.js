// Hashes, addresses and ids: short to the eye, whole to the pointer, and copied by a press.

import { make } from "../shell/make.js";
import { short } from "../shell/numbers.js";
import { toast } from "../shell/toasts.js";

/** A button with the short text; "–" for none. */
export function hash(text, what = "value") {
  if (!text) return "–";
  const shown = make("button", { type: "button", class: "hash mono", title: `Copy the ${what} ${text}` }, short(text));
  shown.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    toast(`Copied the ${what}.`);
  });
  return shown;
}

/** sha256 of a text, as hex, made here in the browser. */
export async function sha256(text) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
