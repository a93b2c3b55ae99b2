// The link of the first mail: its token, behind #, confirms the address.

import { api } from "./api.js";
import { make } from "./shell/make.js";
import { openPage } from "./shell/page.js";
import { empty } from "./shell/states.js";

const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname); // it is of no use twice, and nobody else's

openPage({
  title: "Confirm your address",
  needs: "nobody",
  async show(main) {
    if (!token) return main.append(empty("The link is missing", "Open this page by the link in the mail that we sent you."));
    await api.post("/auth/verify", { token });
    main.append(empty("Your address is confirmed", "Sign in to go on.", make("a", { class: "button primary", href: "/sign-in#/account/start" }, "Sign in")));
  },
});
