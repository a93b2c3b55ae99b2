// The second factor, and the end of this session.

import { api } from "../api.js";
import { dialog } from "../shell/dialogs.js";
import { actionButton, form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { openPage } from "../shell/page.js";
import { signOut } from "../shell/session.js";
import { badge, notice } from "../shell/states.js";
import { download, facts, panel } from "../shell/tables.js";
import { time } from "../shell/times.js";

/** Password, then the secret in an authenticator, then its code, then the recovery codes, shown this once. */
function enrolment(place) {
  return form({
    fields: [{ name: "password", label: "Your password", type: "password", autocomplete: "current-password", help: "So that nobody else adds a factor of theirs." }],
    submit: "Add a second factor",
    async send({ password }) {
      const { otpauth_uri: uri } = await api.post("/auth/totp", { password });
      place.replaceChildren(confirmation(uri));
    },
  });
}

function confirmation(uri) {
  const secret = new URL(uri).searchParams.get("secret");
  return make("div", { class: "column" },
    make("p", {}, "Add this secret to your authenticator, then type the code that it shows."),
    make("p", {}, make("code", { id: "totp-secret", class: "secret" }, secret)),
    make("p", {}, make("a", { href: uri }, "Open it in an authenticator on this device")),
    form({
      fields: [{ name: "code", label: "Code", inputMode: "numeric", autocomplete: "one-time-code", pattern: "[0-9]{6}" }],
      submit: "Confirm",
      async send({ code }) {
        const { recovery_codes: codes } = await api.post("/auth/totp/confirm", { code });
        showCodes(codes);
      },
    }));
}

function showCodes(codes) {
  const keep = make("button", { type: "button", on: { click: () => download("deedbook-recovery-codes.txt", codes.join("\n"), "text/plain") } }, "Keep them in a file");
  const element = dialog("Your recovery codes",
    make("p", {}, "Each opens your account once if you lose your authenticator. They are shown only now."),
    make("ul", { class: "codes mono" }, codes.map((code) => make("li", {}, code))),
    make("div", { class: "buttons" }, keep, make("button", { type: "button", class: "primary", on: { click: () => element.close() } }, "I have kept them")));
  element.addEventListener("close", () => location.reload());
}

openPage({
  title: "Security",
  show(main, who) {
    const factor = make("div", { class: "column" });
    factor.append(who.has_second_factor ? notice("good", "Your account has a second factor.") : enrolment(factor));
    main.append(make("div", { class: "columns" },
      panel("Second factor", factor, badge(who.has_second_factor ? "DONE" : "MISSING", who.has_second_factor ? "On" : "Off")),
      panel("This session", [
        facts([["Signed in as", who.email], ["Roles", who.roles.map((role) => role.toLowerCase().replaceAll("_", " ")).join(", ")], ["Ends", time(who.expires_at)]]),
        make("div", { class: "buttons" }, actionButton("Sign out", signOut), make("a", { class: "button", href: "/reset-password" }, "Change your password")),
      ])));
  },
});
