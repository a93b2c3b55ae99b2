// The way to the first trade, step by step, with what is missing and why.

import { api } from "../api.js";
import { make } from "../shell/make.js";
import { openPage } from "../shell/page.js";
import { fill } from "../shell/states.js";
import { shown, units, USDC_DECIMALS } from "../shell/numbers.js";

function step(title, text, state, link) {
  return make("li", { class: state }, make("h3", {}, title), make("p", { class: "quiet" }, text), link && state !== "done" && make("div", {}, link));
}

function go(href, text) {
  return make("a", { class: "button primary small", href }, text);
}

async function load() {
  const [status, portfolio] = await Promise.all([api.get("/kyc/status"), api.get("/portfolio")]);
  return { status, portfolio };
}

function steps(who, { status, portfolio }) {
  const isVerified = status.kyc === "APPROVED";
  const isRegistered = status.wallets.length > 0 && status.wallets.every((wallet) => wallet.is_registered);
  const isOpen = portfolio.some((wallet) => wallet.is_open);
  const cash = portfolio.reduce((sum, { cash }) => sum + units(cash.free, USDC_DECIMALS) + units(cash.held, USDC_DECIMALS), 0n);
  const review = status.steps.find((each) => each.step === "REVIEW");
  return make("ol", { class: "steps" },
    step("Confirm your address", `${who.email} is confirmed.`, "done"),
    step("Add a second factor", who.has_second_factor ? "Your account has a second factor." : "An authenticator on your phone guards your account.",
      who.has_second_factor ? "done" : "", go("/account/security", "Add one")),
    step("Link a wallet", status.wallets.length ? `${status.wallets.length} linked.` : "Your tokens stay in your own wallet; it signs what moves them.",
      status.wallets.length ? "done" : "", go("/account/wallets", "Link a wallet")),
    step("Prove who you are", review.text, isVerified ? "done" : review.state === "FAILED" ? "failed" : review.state === "WAITING" ? "waiting" : "", go("/account/identity", "Go to identity")),
    step("Your wallet on chain", isRegistered ? "Your wallet may hold property tokens." : "We register it once your identity is proved; this takes a minute.", isRegistered ? "done" : "waiting"),
    step("Bring cash", cash ? `${shown(String(cash / 10n ** 6n))} USDC are ready to trade.` : "Deposit USDC into the vault; only you can take it out again.",
      isOpen && cash ? "done" : "", go("/invest/funds", "Deposit USDC")),
    step("Trade", "Choose a market and place an order.", "", go("/", "See the markets")));
}

openPage({
  title: "Getting started",
  async show(main, who) {
    const body = make("div", { class: "body" });
    main.append(make("section", { class: "panel", "aria-label": "Steps" }, body));
    const draw = () => fill(body, load, (loaded) => steps(who, loaded));
    addEventListener("deedbook-message", draw);
    await draw();
  },
});
