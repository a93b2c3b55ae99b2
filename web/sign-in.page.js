// Sign in: address, password, and the second factor's code for who has one; then back to where the reader came from.

import { form } from "./shell/forms.js";
import { make } from "./shell/make.js";
import { openPage } from "./shell/page.js";
import { signIn } from "./shell/session.js";

/** Only a path of ours, never an address of somebody's. */
function next() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  return /^\/(?!\/)/.test(wanted) && !wanted.startsWith("/sign-in") ? wanted : "/";
}

openPage({
  title: "Sign in",
  needs: "nobody",
  show(main) {
    main.append(make("div", { class: "panel narrow" }, make("div", { class: "body" },
      form({
        fields: [
          { name: "email", label: "E-mail", type: "email", autocomplete: "username" },
          { name: "password", label: "Password", type: "password", autocomplete: "current-password" },
          { name: "totp", label: "Code", required: false, inputMode: "numeric", autocomplete: "one-time-code", help: "Of your authenticator, or a recovery code, if you have a second factor." },
        ],
        submit: "Sign in",
        async send({ email, password, totp }) {
          await signIn(email, password, totp);
          location.assign(next());
        },
      }),
      make("p", { class: "quiet row" }, make("a", { href: "/reset-password" }, "Forgot your password?"), make("a", { href: "/register" }, "Open an account")),
    )));
  },
});
