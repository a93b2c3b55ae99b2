// Bringing cash and tokens to the exchange, and taking them back: each in its two steps.

import { api, Problem } from "../api.js";
import { actionButton, form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { shown, units } from "../shell/numbers.js";
import { openPage } from "../shell/page.js";
import { fill, follow, notice, progress } from "../shell/states.js";
import { panel, table } from "../shell/tables.js";
import { toast } from "../shell/toasts.js";
import { giveTestUsdc, isTestWallet, sendAll } from "../shell/wallet.js";

const WITHIN_MS = 120_000;
const DECIMALS = 18; // at least those of any asset: amounts are only compared

/** The query for an amount of `asset`: USDC, or a market's symbol. */
function amountOf(asset, amount, wallet) {
  return asset === "USDC" ? { usdc: amount, wallet } : { symbol: asset, qty: amount, wallet };
}

/** The holding of an asset in a wallet, or null. */
function holding(portfolio, wallet, asset) {
  const found = portfolio.find((each) => each.wallet.toLowerCase() === wallet.toLowerCase());
  return asset === "USDC" ? found?.cash : found?.tokens.find(({ symbol }) => asset.startsWith(symbol));
}

/** What a deposit takes must be in the wallet: said here, before a contract refuses it in its own words. */
async function requireOutside({ asset, amount, wallet }) {
  const { outside } = holding(await api.get("/portfolio"), wallet, asset) ?? {};
  if (outside && units(amount, DECIMALS) > units(outside, DECIMALS)) {
    throw new Problem({ reason: "WALLET_SHORT", detail: `Only ${shown(outside)} can be taken from this wallet.`, field: "amount" });
  }
}

/** Signs what `path` asks for and follows the holding until it changes. */
async function move(path, { asset, amount, wallet }, say, isDone) {
  const before = holding(await api.get("/portfolio"), wallet, asset);
  const transactions = await api.get(path, amountOf(asset, amount, wallet));
  await sendAll(transactions, wallet, (what, done, of) => say("Your wallet signs", done, of, what));
  say("The chain confirms", 0, 0, "The exchange counts it once its block is final.");
  const until = Date.now() + WITHIN_MS;
  await follow(() => api.get("/portfolio"), (portfolio) => Date.now() > until || isDone(before, holding(portfolio, wallet, asset)));
}

function amountForm(kind, wallets, markets, submit, act) {
  const state = make("div");
  const element = form({
    fields: [
      { name: "asset", label: "What", type: "select", options: [["USDC", "USDC"], ...markets.map(({ symbol, base, name }) => [symbol, `${base}, ${name}`])], value: kind },
      { name: "amount", label: "How much", inputMode: "decimal", autocomplete: "off", placeholder: "0.00" },
      ...(wallets.length > 1 ? [{ name: "wallet", label: "Wallet", type: "select", options: wallets.map(({ wallet }) => [wallet, wallet]) }] : []),
    ],
    submit,
    async send({ asset, amount, wallet = wallets[0].wallet }) {
      try {
        await act({ asset, amount, wallet }, (label, done, of, text) => state.replaceChildren(progress(label, done, of, text)));
      } finally {
        state.replaceChildren();
      }
      element.elements.amount.value = "";
    },
  });
  return [element, state];
}

/** Of a wallet: USDC, and the tokens of which there are any. */
function balances({ wallet, cash, tokens }, markets) {
  const amount = (name, cell) => ({ name, cell, isNumber: true });
  const named = tokens.filter(({ free, outside, requested }) => /[1-9]/.test(`${free}${outside}${requested}`))
    .map((each) => ({ ...each, name: markets.find(({ symbol }) => symbol === each.symbol)?.base ?? each.symbol, least: 0 }));
  return table({
    caption: `In the wallet ${wallet} and on the exchange`,
    columns: [
      { name: "Asset", cell: ({ name }) => name },
      amount("In the wallet", ({ outside, least }) => (outside === null ? "–" : shown(outside, least))),
      amount("Free on the exchange", ({ free, least }) => shown(free, least)),
      amount("Asked back", ({ requested, least }) => shown(requested, least)),
    ],
    rows: [{ ...cash, name: "USDC", least: 2 }, ...named],
  });
}

openPage({
  title: "Cash and tokens",
  needs: ["INVESTOR"],
  async show(main) {
    const wanted = decodeURIComponent(location.hash.slice(1));
    const [portfolio, markets, isTest] = await Promise.all([api.get("/portfolio"), api.get("/markets"), isTestWallet().catch(() => false)]);
    const open = portfolio.filter(({ is_open: isOpen }) => isOpen);
    if (!open.length) {
      main.append(notice("warn", "Your wallet has no account on the exchange yet. ", make("a", { href: "/account/start" }, "See what is missing")));
      return;
    }
    const asset = markets.find(({ base }) => base === wanted)?.symbol ?? "USDC";
    const now = make("div", { class: "column flush" });
    const draw = () => fill(now, () => api.get("/portfolio"), (found) => found.filter(({ is_open: isOpen }) => isOpen).map((each) => balances(each, markets)));
    const bring = amountForm(asset, open, markets, "Bring it to the exchange", async (what, say) => {
      await requireOutside(what);
      await move("/funds/deposit", what, say, (before, after) => after && (!before || before.free !== after.free || before.held !== after.held));
      toast("It is on the exchange: you can trade with it.", "good", { href: "/", text: "See the markets" });
      await draw();
    });
    const back = amountForm(asset, open, markets, "Ask for it back", async (what, say) => {
      await move("/funds/withdraw", what, say, (before, after) => after && (before.requested !== after.requested || before.free !== after.free));
      toast("It is asked back. The exchange sets it aside and releases it to your wallet.", "good");
      await draw();
    });
    main.append(
      panel("Where it is", now),
      make("div", { class: "columns" },
        panel("Deposit", [
          make("ol", { class: "steps" },
            make("li", {}, make("h3", {}, "You sign"), make("p", { class: "quiet" }, "USDC goes into the vault; tokens are locked and stay in your wallet, where they earn dividends.")),
            make("li", {}, make("h3", {}, "The block is final"), make("p", { class: "quiet" }, "Then the exchange counts it and you can trade."))),
          ...bring,
          isTest && make("div", { class: "buttons" }, actionButton("Give my test wallet 50,000 USDC", async () => {
            await giveTestUsdc();
            await draw();
          }, { failed: (problem) => toast(problem.message, "bad") })),
        ].filter(Boolean)),
        panel("Withdrawal", [
          make("ol", { class: "steps" },
            make("li", {}, make("h3", {}, "You ask"), make("p", { class: "quiet" }, "You sign the request. What is free is set aside first; if that is not enough, your youngest orders are cancelled.")),
            make("li", {}, make("h3", {}, "It is released"), make("p", { class: "quiet" }, "The exchange releases it to your wallet once nothing unsettled rests on it. After the contract's delay you can take it yourself."))),
          ...back,
        ])));
    await draw();
    addEventListener("deedbook-message", draw);
  },
});
