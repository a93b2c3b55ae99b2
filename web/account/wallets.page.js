// Linked wallets, and linking one by a signed text that moves nothing and costs nothing.

import { api } from "../api.js";
import { actionButton } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { short } from "../shell/numbers.js";
import { openPage } from "../shell/page.js";
import { badge, fill, notice } from "../shell/states.js";
import { panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { address, chooseWallet, giveTestUsdc, signText, wallets } from "../shell/wallet.js";

async function load() {
  const [linked, status, offered] = await Promise.all([api.get("/wallets"), api.get("/kyc/status"), wallets()]);
  const registered = new Set(status.wallets.filter((each) => each.is_registered).map((each) => each.address.toLowerCase()));
  return { linked: linked.map((each) => ({ ...each, isRegistered: registered.has(each.address.toLowerCase()) })), offered };
}

async function link(kind) {
  chooseWallet(kind);
  const wallet = await address();
  const { message } = await api.post("/wallets/challenge", { address: wallet });
  await api.post("/wallets", { message, signature: await signText(message, wallet) });
  toast(`The wallet ${short(wallet)} is linked.`, "good");
}

openPage({
  title: "Wallets",
  async show(main) {
    const body = make("div", { class: "column" });
    main.append(body);
    const failed = (problem) => toast(problem.message, "bad");
    const draw = () => fill(body, load, ({ linked, offered }) => [
      panel("Linked wallets", table({
        caption: "Linked wallets",
        columns: [
          { name: "Address", cell: (each) => make("code", { title: each.address }, short(each.address)) },
          { name: "On chain", cell: (each) => badge(each.isRegistered ? "VERIFIED" : "WAITING", each.isRegistered ? "Registered" : "Waits for your identity") },
          { name: "Exchange account", cell: (each) => each.account === null ? "–" : String(each.account), isNumber: true },
          { name: "Linked", cell: (each) => time(each.linked_at) },
        ],
        rows: linked,
        none: { title: "No wallet is linked", text: "Your tokens stay in your own wallet. Link the one that you use." },
      })),
      panel("Link a wallet", [
        make("p", { class: "text" }, "You sign a text that says that the wallet is yours. It moves nothing and costs nothing; a link is for good."),
        offered.length ? make("div", { class: "buttons" }, offered.map(({ kind, name }) => actionButton(name, async () => {
          await link(kind);
          await draw();
        }, { kind: "primary", failed }))) : notice("warn", "This browser has no wallet. Install one (any that speaks EIP-1193) and come back."),
        offered.some(({ kind }) => kind === "test") && make("div", { class: "buttons" }, actionButton("Give my test wallet 50,000 USDC", async () => {
          chooseWallet("test");
          await giveTestUsdc();
          toast("Your test wallet has 50,000 USDC more, of this machine's own chain.", "good");
        }, { failed })),
      ].filter(Boolean)),
    ]);
    addEventListener("deedbook-message", draw);
    await draw();
  },
});
