// Keys of the trading API: made here, their secret shown once, revoked here. None can withdraw anything.

import { api } from "../api.js";
import { confirmed, dialog } from "../shell/dialogs.js";
import { actionButton, form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { short } from "../shell/numbers.js";
import { openPage } from "../shell/page.js";
import { fill } from "../shell/states.js";
import { facts, panel, table } from "../shell/tables.js";
import { toast } from "../shell/toasts.js";

function made({ key, secret }) {
  dialog("Your new key", make("p", {}, "The secret is shown only now."),
    facts([["Key", make("code", {}, key)], ["Secret", make("code", {}, secret)]]));
}

openPage({
  title: "API keys",
  async show(main, who) {
    const list = make("div", { class: "flush" });
    const draw = () => fill(list, () => api.get("/api-keys"), (keys) => table({
      caption: "Your keys",
      columns: [
        { name: "Key", cell: (each) => make("code", { title: each.key }, short(each.key)) },
        { name: "Kind", cell: (each) => each.kind },
        { name: "May", cell: (each) => each.permissions.join(", ").toLowerCase() },
        { name: "From", cell: (each) => each.ips.join(", ") || "anywhere" },
        { name: "Wallet", cell: (each) => make("code", { title: each.wallet }, short(each.wallet)) },
        { name: "", cell: (each) => actionButton("Revoke", async () => {
          if (!await confirmed("Revoke this key?", "It stops working within a second, in open sessions too.", "Revoke", true)) return;
          await api.remove(`/api-keys/${each.key}`);
          await draw();
        }, { kind: "small", failed: (problem) => toast(problem.message, "bad") }) },
      ],
      rows: keys,
      none: { title: "No key yet", text: "A program trades with a key; the market page makes one of its own when you trade there." },
    }));
    const proof = who.has_second_factor ? [] : [{ name: "password", label: "Your password", type: "password", autocomplete: "current-password" }];
    main.append(panel("Your keys", list), panel("Make a key", form({
      fields: [
        { name: "permissions", label: "It may", type: "select", options: [["READ,TRADE", "read and trade"], ["READ", "read only"]] },
        { name: "ips", label: "Only from", required: false, placeholder: "203.0.113.7, 2001:db8::1", help: "Addresses, separated by commas; left empty, from anywhere." },
        ...proof,
      ],
      submit: "Make a key",
      async send({ permissions, ips, password }) {
        const body = { kind: "HMAC", permissions: permissions.split(","), ips: ips ? ips.split(",").map((each) => each.trim()) : [] };
        made(await api.post("/api-keys", password ? { ...body, password } : body));
        await draw();
      },
    })));
    await draw();
  },
});
