// On a machine whose mails go nowhere: where they can be read.

import { machine } from "../api.js";
import { make } from "../shell/make.js";

/** A link to this machine's mails, or null where mails are really sent. */
export async function mailHint() {
  const { sandboxes } = await machine();
  return sandboxes.mail ? make("a", { class: "button", href: sandboxes.mail, target: "_blank", rel: "noopener" }, "This machine keeps its mails here") : null;
}
