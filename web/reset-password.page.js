// A new password: first a mail with a link, then, by the link's token, the password.

import { api } from "./api.js";
import { mailHint } from "./account/mail.js";
import { form } from "./shell/forms.js";
import { make } from "./shell/make.js";
import { openPage } from "./shell/page.js";
import { empty } from "./shell/states.js";

const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

function ask(place) {
  return form({
    fields: [{ name: "email", label: "E-mail", type: "email", autocomplete: "email" }],
    submit: "Send me a link",
    async send({ email }) {
      await api.post("/auth/password/forgot", { email });
      place.replaceChildren(empty("Look into your mail", "If there is such an account, a link is on its way.", await mailHint()));
    },
  });
}

function choose(place) {
  return form({
    fields: [{ name: "password", label: "New password", type: "password", autocomplete: "new-password", minLength: 12, help: "At least 12 characters. You are signed out everywhere." }],
    submit: "Set the password",
    async send({ password }) {
      await api.post("/auth/password/reset", { token, password });
      place.replaceChildren(empty("Your password is set", "Sign in with it.", make("a", { class: "button primary", href: "/sign-in" }, "Sign in")));
    },
  });
}

openPage({
  title: "Choose a new password",
  needs: "nobody",
  show(main) {
    const body = make("div", { class: "body" });
    body.append(token ? choose(body) : ask(body));
    main.append(make("div", { class: "panel narrow" }, body));
  },
});
