// Open an account: an address and a password; a mail brings the link that confirms it.

import { api } from "./api.js";
import { mailHint } from "./account/mail.js";
import { form } from "./shell/forms.js";
import { make } from "./shell/make.js";
import { openPage } from "./shell/page.js";
import { empty } from "./shell/states.js";

openPage({
  title: "Open an account",
  needs: "nobody",
  show(main) {
    const place = make("div", { class: "panel narrow" }, make("div", { class: "body" },
      form({
        fields: [
          { name: "email", label: "E-mail", type: "email", autocomplete: "email", maxLength: 254 },
          { name: "password", label: "Password", type: "password", autocomplete: "new-password", minLength: 12, help: "At least 12 characters; a sentence is good." },
        ],
        submit: "Open an account",
        async send({ email, password }) {
          await api.post("/auth/register", { email, password });
          place.replaceChildren(empty("Look into your mail", `We have sent a link to ${email}. Open it to confirm your address, then sign in.`, await mailHint()));
        },
      }),
      make("p", { class: "quiet" }, "You have one already? ", make("a", { href: "/sign-in" }, "Sign in")),
    ));
    main.append(place);
  },
});
