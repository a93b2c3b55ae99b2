// What is shown where there is no page.

import { make } from "./shell/make.js";
import { openPage } from "./shell/page.js";
import { empty } from "./shell/states.js";

openPage({
  title: "There is no such page",
  needs: "nobody",
  isTitled: false,
  show: (main) => main.append(empty("There is no such page", "The address may be old, or mistyped.", make("a", { class: "button primary", href: "/" }, "Go to the markets"))),
});
