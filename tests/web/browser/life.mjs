// A person's way in a browser, from registration to a settled trade and a first sale; prints what came of it as JSON.

import assert from "node:assert/strict";

import { launch, mailedLink, proveIdentity, reader, seriousViolations, totp, URL_OF_PAGES } from "./browser.mjs";

const EMAIL = "browser@demo.example";
const PASSWORD = "a long enough passphrase";
const found = { violations: [], fills: [] };

async function signUp(page) {
  await page.goto(`${URL_OF_PAGES}/register`);
  await page.getByLabel("E-mail").fill(EMAIL);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Open an account" }).click();
  await page.getByText("Look into your mail").waitFor();
  await page.goto(await mailedLink(EMAIL));
  await page.getByText("Your address is confirmed").waitFor();
  assert.equal(new URL(page.url()).hash, "", "the token stays in no address");
  await page.getByRole("main").getByRole("link", { name: "Sign in" }).click();
  await page.getByLabel("E-mail").fill(EMAIL);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Getting started" }).waitFor();
}

async function secondFactor(page) {
  await page.goto(`${URL_OF_PAGES}/account/security`);
  await page.getByLabel("Your password").fill(PASSWORD);
  await page.getByRole("button", { name: "Add a second factor" }).click();
  await page.getByLabel("Code").fill(totp(await page.locator("#totp-secret").innerText()));
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("button", { name: "I have kept them" }).click();
  await page.getByText("Your account has a second factor.").waitFor();
}

async function walletAndIdentity(page) {
  await page.goto(`${URL_OF_PAGES}/account/wallets`);
  await page.getByRole("button", { name: "Test wallet of this machine" }).click();
  await page.getByText("is linked").waitFor();
  await page.getByRole("button", { name: /Give my test wallet/ }).click();
  await page.getByText("USDC more").waitFor();
  await page.goto(`${URL_OF_PAGES}/account/identity`);
  await page.getByRole("button", { name: "Begin the check" }).click();
  await page.getByText("Your application has begun").waitFor();
  await proveIdentity("DEU");
  await page.getByText("Your wallets are registered on chain.").waitFor();
}

async function deposit(page) {
  await page.goto(`${URL_OF_PAGES}/invest/funds`);
  const panel = page.getByRole("region", { name: "Deposit" });
  await panel.getByLabel("How much").fill("20000");
  await panel.getByRole("button", { name: "Bring it to the exchange" }).click();
  await page.getByText("It is on the exchange").waitFor();
}

/** A market order is refused in words before it is sent where it cannot be paid, trades where it can, and settles. */
async function trade(page) {
  await page.goto(`${URL_OF_PAGES}/market#OAK12USDC`);
  await page.getByRole("button", { name: "Trade in this browser" }).click();
  await page.locator(".sums dd").first().filter({ hasText: "20,000" }).waitFor();
  await page.getByLabel("Type").selectOption("MARKET");
  await page.locator("#ticket-quantity").fill("900");
  await page.getByText(/USDC are missing/).waitFor();
  const buy = page.getByRole("button", { name: "Buy OAK12" });
  assert.ok(await buy.isDisabled());
  await page.locator("#ticket-quantity").fill("2");
  await buy.click();
  await page.getByText(/Bought 2 OAK12/).waitFor();
  await page.getByRole("tab", { name: "Fills" }).click();
  await page.locator("#own .badge.good").filter({ hasText: "Final" }).first().waitFor();
  await page.locator("#own td .mono").first().waitFor();
  found.fills = await page.locator("#own tbody tr").allInnerTexts();
  await restAndChange(page);
}

/** By the keyboard alone: an order that rests is marked in the ladder, made smaller, and cancelled. */
async function restAndChange(page) {
  await page.getByLabel("Type").selectOption("LIMIT");
  await page.locator("body").click({ position: { x: 700, y: 5 } });
  await page.keyboard.press("b");
  await page.keyboard.type("1.5");
  await page.locator("#ticket-price").fill("95");
  await page.keyboard.press("Enter");
  await page.getByText(/waits in the book/).waitFor();
  await page.getByRole("tab", { name: /Open orders/ }).click();
  await page.getByRole("button", { name: /Change the order/ }).click();
  await page.getByLabel(/New quantity/).fill("1");
  await page.keyboard.press("Enter");
  await page.getByText("a smaller order keeps its place").waitFor();
  await page.getByRole("row", { name: /0 of 1 / }).waitFor();
  found.violations.push(...await seriousViolations(page));
  await page.getByRole("button", { name: /Cancel the order/ }).click();
  await page.getByText("No open order").waitFor();
  await stopAndWait(page);
}

/** A stop is refused in words where the last price has reached it, waits where not, is changed in place, and cancelled. */
async function stopAndWait(page) {
  await page.getByLabel("Type").selectOption("STOP_LOSS_LIMIT");
  await page.locator("#ticket-quantity").fill("1");
  await page.locator("#ticket-price").fill("151");
  await page.locator("#ticket-stop").fill("50");
  await page.getByText(/has reached it already/).waitFor();
  await page.locator("#ticket-stop").fill("150");
  await page.getByText("It waits until the last price has risen to 150.00, then buys up to 151.00.").waitFor();
  await page.getByRole("button", { name: "Buy OAK12" }).click();
  const row = page.getByRole("row", { name: /Stop limit/ });
  await row.getByText("Waiting").waitFor();
  await row.getByRole("button", { name: /Change the order/ }).click();
  await page.getByLabel("New stop price").fill("149");
  await page.keyboard.press("Enter");
  await row.getByText("stop ≥ 149.00").waitFor();
  await row.getByRole("button", { name: /Cancel the order/ }).click();
  await page.getByText("No open order").waitFor();
  await iceberg(page);
}

/** What is shown of an order is less than all of it, and stands beside all of it in the list. */
async function iceberg(page) {
  await page.getByLabel("Type").selectOption("LIMIT");
  await page.locator("#ticket-quantity").fill("2");
  await page.locator("#ticket-price").fill("95");
  await page.getByText("More", { exact: true }).click();
  await page.getByLabel("Show at a time").fill("2");
  await page.getByText("must be less than the quantity").waitFor();
  await page.getByLabel("Show at a time").fill("0.5");
  await page.getByRole("button", { name: "Buy OAK12" }).click();
  const row = page.getByRole("row", { name: /0 of 2 shows 0.5/ });
  await row.getByRole("button", { name: /Cancel the order/ }).click();
  await page.getByText("No open order").waitFor();
  await pair(page);
}

/** A limit and a stop of which one ends the other: two rows of one list, cancelled as one. */
async function pair(page) {
  await page.getByLabel("Type").selectOption("OCO");
  await page.locator("#ticket-quantity").fill("1");
  await page.locator("#ticket-price").fill("150");
  await page.locator("#ticket-stop").fill("149");
  await page.getByText("The limit must be below the market").waitFor();
  await page.locator("#ticket-price").fill("95");
  await page.getByText("It buys at 95.00, or at once when the last price has risen to 149.00: what comes first ends the other.").waitFor();
  await page.getByRole("button", { name: "Buy OAK12" }).click();
  await page.getByRole("row", { name: /^Buy Stop list/ }).waitFor();
  await page.getByRole("row", { name: /^Buy Post only list/ }).getByRole("button", { name: /and those that belong to it/ }).click();
  await page.getByText("No open order").waitFor();
}

async function firstSale(page) {
  await page.goto(`${URL_OF_PAGES}/invest/properties`);
  await page.getByRole("link", { name: "See the property 5 Birch Lane" }).click();
  await page.getByLabel("Tokens").fill("3");
  await page.getByRole("button", { name: "Buy", exact: true }).click();
  await page.getByText("Your purchase is settled.").waitFor();
  await page.goto(`${URL_OF_PAGES}/invest/portfolio`);
  await page.getByRole("link", { name: "5 Birch Lane" }).waitFor();
}

async function withdraw(page) {
  await page.goto(`${URL_OF_PAGES}/invest/funds`);
  const panel = page.getByRole("region", { name: "Withdrawal" });
  await panel.getByLabel("How much").fill("1000");
  await panel.getByRole("button", { name: "Ask for it back" }).click();
  await page.getByText("It is asked back").waitFor();
}

/** Both statements are files; the PDF is one. */
async function statements(page) {
  await page.goto(`${URL_OF_PAGES}/invest/portfolio`);
  for (const as of ["csv", "pdf"]) {
    await page.getByLabel("As", { exact: true }).selectOption(as);
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Make a statement" }).click()]);
    const chunks = [];
    for await (const chunk of await file.createReadStream()) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString("latin1");
    assert.match(text, as === "pdf" ? /^%PDF-1\.4[\s\S]*%%EOF\n$/ : /OAK12USDC,BUY/);
  }
}

const browser = await launch();
try {
  const page = await reader(browser);
  for (const act of [signUp, secondFactor, walletAndIdentity, deposit, trade, firstSale, withdraw, statements]) {
    await act(page);
    console.error(`done: ${act.name}`);
  }
  assert.deepEqual(page.troubles, []);
  const [cookie] = await page.context().cookies();
  found.session = cookie.value;
} finally {
  await browser.close();
}
console.log(JSON.stringify(found));
