// The frame around every page: bar, navigation by role, messages, and who is signed in.

import { api } from "../api.js";
import { icon, make } from "./make.js";
import { sectionsFor, tabOf } from "./navigation.js";
import { session, signInLink, signOut } from "./session.js";
import { empty, failed, loading } from "./states.js";
import { zoneName } from "./times.js";
import { toast } from "./toasts.js";

const BELL = "M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 21h4";
const PERSON = "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c0-4 4-6 8-6s8 2 8 6";
const MENU = "M4 7h16M4 12h16M4 17h16";
const HALF_MOON = "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18";
const THEMES = ["auto", "light", "dark"];

/**
 * Open the page that this document is.
 *
 * title  of the document, and of the page where `isTitled` is not false
 * needs  "nobody", "session", or a list of roles, one of which the reader must have
 * show   async (main, session) => fills <main>; what it throws is shown with a button to try again
 */
export async function openPage({ title, needs = "session", isTitled = true, isWide = false, show }) {
  document.title = `${title} · Deedbook`;
  const main = make("main", { id: "main", class: isWide ? "wide" : "", tabIndex: -1 }, loading());
  document.body.replaceChildren(make("a", { class: "skip", href: "#main" }, "Skip to the content"), main);
  const heading = make("h1", { class: isTitled ? "" : "unseen" }, title);
  const draw = async () => {
    main.replaceChildren(loading());
    try {
      const who = await session();
      showBar(who);
      const lack = lacking(needs, who);
      main.replaceChildren(heading);
      if (lack) return main.append(lack);
      await show(main, who);
    } catch (problem) {
      if (!("reason" in problem)) console.error(problem);
      main.replaceChildren(heading, failed(problem, draw));
    }
  };
  await draw();
}

function lacking(needs, who) {
  if (needs === "nobody") return null;
  if (!who) {
    const link = make("a", { class: "button primary", href: signInLink() }, "Sign in");
    return empty("Sign in to see this", "This page shows what is yours.", link);
  }
  if (Array.isArray(needs) && !needs.some((role) => who.roles.includes(role))) {
    return empty("This page is not for your role", `It takes one of: ${needs.join(", ").toLowerCase().replaceAll("_", " ")}.`);
  }
  return null;
}

function showBar(who) {
  document.querySelector("header.bar")?.remove();
  document.querySelector("nav.tabs")?.remove();
  document.querySelector("footer")?.remove();
  const sections = sectionsFor(who?.roles ?? [], Boolean(who));
  const here = sections.find(({ pages }) => pages.some(({ path }) => path === location.pathname));
  const link = ({ name, path }, isHere) => make("a", { href: path, ...(isHere ? { aria: { current: "page" } } : {}) }, name);
  const first = ({ pages }) => pages.find((page) => !page.isHidden).path;
  const links = sections.filter((section) => !section.isInMenu).map((section) => link({ name: section.name, path: first(section) }, section === here));
  const menu = make("button", { class: "quiet-button menu", type: "button", aria: { label: "Menu", expanded: "false", controls: "sections" } }, icon(MENU));
  const nav = make("nav", { id: "sections", class: "sections", aria: { label: "Sections" } }, links);
  menu.addEventListener("click", () => menu.setAttribute("aria-expanded", String(nav.classList.toggle("open"))));
  const header = make(
    "header", { class: "bar" },
    make("a", { class: "brand", href: "/" }, make("img", { src: "/icon.svg", alt: "", width: 24, height: 24 }), "Deedbook"),
    nav,
    make("div", { class: "who" }, themeButton(), ...(who ? signedIn(who) : visitor()), menu),
  );
  document.body.querySelector(".skip").after(header);
  const tabs = here?.pages.filter((page) => !page.isHidden) ?? [];
  if (tabs.length > 1) {
    const current = tabOf(here.pages, location.pathname);
    const bar = make("nav", { class: "tabs", aria: { label: here.name } }, tabs.map((page) => link(page, page === current)));
    header.after(bar);
    bar.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }); // a phone shows a part of them
  }
  document.body.append(footer());
}

function visitor() {
  return [make("a", { href: signInLink() }, "Sign in"), make("a", { class: "button primary small", href: "/register" }, "Open an account")];
}

function signedIn(who) {
  const count = make("span", { class: "count", hidden: true });
  const bell = make("a", { class: "quiet-button", href: "/account/messages", aria: { label: "Messages" } }, icon(BELL), count);
  listen(bell, count);
  const account = make(
    "details", { class: "dropdown" },
    make("summary", { aria: { label: "Your account" } }, icon(PERSON)),
    make("div", { class: "dropped" },
      make("p", { class: "quiet" }, who.email),
      make("a", { href: "/account/start" }, "Getting started"), make("a", { href: "/account/wallets" }, "Wallets"),
      make("a", { href: "/account/security" }, "Security"), make("a", { href: "/account/keys" }, "API keys"),
      make("button", { type: "button", on: { click: signOut } }, "Sign out")),
  );
  document.addEventListener("click", (event) => !account.contains(event.target) && account.removeAttribute("open"));
  account.addEventListener("keydown", (event) => event.key === "Escape" && account.removeAttribute("open"));
  return [bell, account];
}

/** Messages as they come: a toast, a count at the bell, and a "message" event on the window for the page. */
async function listen(bell, count) {
  const show = (unread) => {
    count.hidden = unread === 0;
    count.textContent = unread > 99 ? "99+" : String(unread);
    bell.setAttribute("aria-label", unread ? `Messages, ${unread} unread` : "Messages");
  };
  const latest = await api.get("/notifications").catch(() => []);
  let unread = latest.filter((each) => !each.read_at).length;
  show(unread);
  const known = new Set(latest.map((each) => each.notification_id));
  const stream = new EventSource("/notifications/stream");
  addEventListener("pagehide", () => stream.close());
  stream.addEventListener("notification", ({ data }) => {
    const message = JSON.parse(data);
    if (known.has(message.notification_id)) return;
    known.add(message.notification_id);
    show(unread += 1);
    toast(message.text, /FAILED|REJECTED|FROZEN/.test(message.kind) ? "bad" : "plain");
    dispatchEvent(new CustomEvent("deedbook-message", { detail: message }));
  });
}

function themeButton() {
  const button = make("button", { class: "quiet-button", type: "button" }, icon(HALF_MOON));
  const say = () => button.setAttribute("aria-label", `Colours: ${document.documentElement.dataset.theme}. Change`);
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
    document.documentElement.dataset.theme = next;
    localStorage.setItem("theme", next);
    say();
    toast(`Colours: ${next === "auto" ? "as your device has them" : next}.`);
  });
  say();
  return button;
}

function footer() {
  return make(
    "footer", {},
    make("span", {}, `Times: ${zoneName()}; point at one for UTC`),
    make("span", {}, "Amounts in USDC, settled on chain"),
    make("a", { href: "/openapi.json" }, "API"),
  );
}
