// What the tests in a browser share: Debian's Chromium by playwright-core, people's mails and codes, and axe's judgement.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

export const URL_OF_PAGES = process.env.DEEDBOOK_URL;
export const WITHIN_MS = 60_000;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const STEP_S = 30;

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--lang=en-US"], // its own sandbox needs rights that a container does not give
    env: { ...process.env, LANG: "en_US.UTF-8" },
  });
}

/** A page of a reader of their own; whatever it logs as an error, or throws, is in `page.troubles`. */
export async function reader(browser, { width = 1440, height = 900, scheme = "dark", cookies = [] } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: scheme, locale: "en-US", timezoneId: "Europe/Paris", reducedMotion: "reduce",
  });
  await context.addCookies(cookies);
  if (cookies.length) await context.addInitScript(() => location.protocol === "http:" && localStorage.setItem("signed-in", "yes"));
  const page = await context.newPage();
  page.setDefaultTimeout(WITHIN_MS);
  page.troubles = [];
  page.on("console", (message) => message.type() === "error" && !/status of 4\d\d/.test(message.text()) && page.troubles.push(message.text()));
  page.on("pageerror", (error) => page.troubles.push(String(error)));
  return page;
}

/** The cookie of a session that somebody has already. */
export function cookieOf(token) {
  return { name: "session", value: token, url: URL_OF_PAGES, httpOnly: true, sameSite: "Strict" };
}

export async function sandboxes() {
  return (await (await fetch(`${URL_OF_PAGES}/config.json`)).json()).sandboxes;
}

async function until(ask, what) {
  const end = Date.now() + WITHIN_MS;
  while (Date.now() < end) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what} did not come`);
}

/** The link of the last mail to an address. */
export async function mailedLink(email) {
  const { mail } = await sandboxes();
  return until(async () => {
    const mails = await (await fetch(`${mail}/sandbox/mails?to=${encodeURIComponent(email)}`)).json();
    return mails.at(-1)?.text.match(/http\S+#\S+/)?.[0];
  }, "the mail");
}

/** Documents are sent and found good, at the identity provider, for who applied last. */
export async function proveIdentity(country) {
  const { sumsub } = await sandboxes();
  const { applicants } = await (await fetch(`${sumsub}/sandbox/state`)).json();
  for (const [play, body] of [["submit", { country }], ["approve", {}]]) {
    const response = await fetch(`${sumsub}/sandbox/applicants/${applicants.at(-1).id}/${play}`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    assert.ok(response.ok, await response.text());
  }
}

/** The code of RFC 6238 for a secret in base 32, now. */
export function totp(secret) {
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000 / STEP_S)));
  const digest = createHmac("sha1", key).update(counter).digest();
  const number = digest.readUInt32BE(digest.at(-1) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

/** What axe finds serious or critical on the page as it is, as sentences. The page's own policy forbids a script from here,
 * so axe is brought in by the debugger, which stands outside of it. */
export async function seriousViolations(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, help, nodes }) => `${page.url()}: ${id}: ${help}: ${nodes.slice(0, 3).map(({ target, failureSummary }) => `${target} ${failureSummary?.split("\n")[1]?.trim() ?? ""}`).join(" | ")}`);
}

/** Nothing is loading any more, and the page has what it shows. */
export async function settled(page) {
  await page.waitForFunction(() => document.querySelector("main")?.children.length > 1 && !document.querySelector(".loading, [aria-busy='true']"));
  if (await page.locator(".market").count()) await page.locator('.market[data-feed="live"]').waitFor();
}
