// The reader's wallet: the browser's own (EIP-1193), or on a machine with its own chain the test wallet.

import { machine, Problem } from "../api.js";

const CHOICE = "wallet"; // "browser" or "test"
const TOKEN = "test-wallet";
const REJECTED = 4001;

/** The test wallet's provider: the same calls, answered by the machine; the token stays in this browser. */
function testProvider(url) {
  let token = localStorage.getItem(TOKEN);
  if (!token) {
    token = [...crypto.getRandomValues(new Uint8Array(32))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    localStorage.setItem(TOKEN, token);
  }
  return {
    async request({ method, params = [] }) {
      const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
      const response = await fetch(url, { method: "POST", headers, credentials: "omit", body: JSON.stringify({ method, params }) });
      const { result, error } = await response.json();
      if (error) throw Object.assign(new Error(error.message), { code: error.code });
      return result;
    },
  };
}

/** What can be chosen: [{kind, name}]. */
export async function wallets() {
  const { sandboxes } = await machine();
  return [
    ...(window.ethereum ? [{ kind: "browser", name: "Wallet of this browser" }] : []),
    ...(sandboxes.wallet ? [{ kind: "test", name: "Test wallet of this machine" }] : []),
  ];
}

export function chooseWallet(kind) {
  localStorage.setItem(CHOICE, kind);
}

async function provider() {
  const offered = await wallets();
  const chosen = offered.find(({ kind }) => kind === localStorage.getItem(CHOICE)) ?? offered[0];
  if (!chosen) throw new Problem({ reason: "NO_WALLET", detail: "This browser has no wallet. Install one, or open this page where you have it." });
  return chosen.kind === "test" ? testProvider((await machine()).sandboxes.wallet) : window.ethereum;
}

async function ask(method, params) {
  try {
    return await (await provider()).request({ method, params });
  } catch (error) {
    if (error instanceof Problem) throw error;
    const detail = error.code === REJECTED ? "You did not confirm it in your wallet." : `Your wallet says: ${error.message}`;
    throw new Problem({ reason: "WALLET_REFUSED", detail });
  }
}

/** The address that signs now, as 0x and 40 hex digits. */
export async function address() {
  return (await ask("eth_requestAccounts"))[0];
}

/** That address, if it is `wanted`; a Problem that names the right one if not. */
async function signer(wanted) {
  const found = await address();
  if (wanted && found.toLowerCase() !== wanted.toLowerCase()) {
    throw new Problem({ reason: "OTHER_WALLET", detail: `Choose the account ${wanted} in your wallet and try again.` });
  }
  return found;
}

export async function signText(text, wanted) {
  const hex = `0x${[...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  return ask("personal_sign", [hex, await signer(wanted)]);
}

/** EIP-712. */
export async function signTyped(data, wanted) {
  return ask("eth_signTypedData_v4", [await signer(wanted), JSON.stringify(data)]);
}

/** Sends a transaction {to, data, value} of ours; its hash. It is mined later, with the browser's wallet. */
export async function send({ to, data, value }, wanted) {
  return ask("eth_sendTransaction", [{ from: await signer(wanted), to, data, value: value ?? "0x0" }]);
}

/** All of them, in order; `say` hears what each one does before it is signed. */
export async function sendAll(transactions, wanted, say = () => {}) {
  for (const [index, transaction] of transactions.entries()) {
    say(transaction.what ?? "", index + 1, transactions.length);
    await send(transaction, wanted);
  }
}

/** USDC of the local chain for the test wallet. */
export function giveTestUsdc() {
  return ask("deedbook_testUsdc", []);
}

export async function isTestWallet() {
  const offered = await wallets();
  const chosen = offered.find(({ kind }) => kind === localStorage.getItem(CHOICE)) ?? offered[0];
  return chosen?.kind === "test";
}
