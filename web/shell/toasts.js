// Short messages over the page that go by themselves; a screen reader hears them.

import { make } from "./make.js";

const SHOWN_MS = 6_000;
const SHOWN_MOST = 3;
let stack;

/** `kind` is "good", "bad" or "plain"; `link` {href, text}, if there is more to see. A bad one stays until it is closed. */
export function toast(text, kind = "plain", link) {
  if (!stack) {
    stack = make("div", { class: "toasts", role: "status", aria: { live: "polite" } });
    document.body.append(stack);
  }
  const close = make("button", { class: "quiet-button", type: "button", aria: { label: "Close this message" } }, "×");
  const shown = make("div", { class: `toast ${kind}` }, make("p", {}, text, link && [" ", make("a", { href: link.href }, link.text)]), close);
  close.addEventListener("click", () => shown.remove());
  stack.append(shown);
  while (stack.children.length > SHOWN_MOST) stack.firstChild.remove();
  if (kind !== "bad") setTimeout(() => shown.remove(), SHOWN_MS);
}
