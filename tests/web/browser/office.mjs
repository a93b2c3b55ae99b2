// The office in browsers of its own: two admins, a manager, a tenant and an officer take a property from its draft to a
// token, and another from rent to a dividend and to its exit; prints what came of it as JSON.
// SESSIONS is JSON of name to session token, PROPERTY the id of a property that is let, TENANT the tenant's e-mail, and
// CIRCLE_KEY is for playing the bank.

import assert from "node:assert/strict";

import { cookieOf, launch, reader, sandboxes, seriousViolations, settled, URL_OF_PAGES } from "./browser.mjs";

const SESSIONS = JSON.parse(process.env.SESSIONS);
const { PROPERTY, TENANT, CIRCLE_KEY } = process.env;
const DEED = { name: "deed.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.7\n% a deed\n%%EOF\n") };
const found = { violations: [], refused: [], figures: {} };
const people = {};

async function open(who, path) {
  await people[who].goto("about:blank");
  await people[who].goto(URL_OF_PAGES + path);
  return people[who];
}

/** Approves what stands first in the list under this name, having seen that the browser made the same hash. */
async function approve(who, what) {
  const page = await open(who, "/office/approvals");
  await page.getByRole("link", { name: what }).first().click();
  await page.getByText("This browser made the same hash").waitFor();
  found.violations.push(...await seriousViolations(page));
  await page.getByRole("button", { name: "Approve exactly this" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Approve" }).click();
  await page.getByText("Approved; it is being carried out.").waitFor();
}

/** The manager links the machine's test wallet beside the one that they have; it is known on the chain soon. */
async function issuersWallet() {
  const page = await open("manager", "/account/wallets");
  await page.getByRole("button", { name: "Test wallet of this machine" }).click();
  await page.getByText("is linked").waitFor();
  await page.getByRole("button", { name: /Give my test wallet/ }).click();
  await page.getByText("USDC more").waitFor();
  await open("manager", "/account/identity");
  await page.getByText("Your wallets are registered on chain.").waitFor();
}

async function draftToToken() {
  let page = await open("manager", "/office/draft");
  for (const [label, text] of [["Name", "8 Pine Court"], ["Symbol", "PINE8"], ["Address of the building", "8 Pine Court, Exampleton"], ["Valuation", "640000"], ["Supply", "64000"]]) {
    await page.getByLabel(label, { exact: true }).fill(text);
  }
  const wallets = page.getByLabel("Issuer's wallet");
  await wallets.selectOption(await wallets.locator("option").last().getAttribute("value")); // the one that was linked last
  await page.getByRole("button", { name: "Save the draft" }).click();
  await page.getByRole("heading", { name: "8 Pine Court" }).waitFor();
  const handIn = page.getByRole("button", { name: "Hand in for approval" });
  assert.ok(await handIn.isDisabled(), "a property without a document is not handed in");
  await page.setInputFiles("#upload", DEED);
  await page.getByRole("link", { name: "deed.pdf" }).waitFor();
  await handIn.click();
  await page.getByText("Two admins look at it now. You will be told.").waitFor();
  const path = new URL(page.url()).pathname + new URL(page.url()).hash;
  page = await open("admin1", path);
  await page.getByRole("button", { name: "Propose to approve" }).click();
  await page.getByRole("link", { name: "See exactly what is approved" }).click();
  await page.getByText("You proposed this: another person has to approve it.").waitFor();
  assert.equal(await page.getByRole("button", { name: "Approve exactly this" }).count(), 0);
  await approve("admin2", "Approve a property");
  page = await open("admin1", path);
  await page.getByRole("button", { name: "Propose to deploy and mint" }).click();
  await page.getByText("waits for a second admin").waitFor();
  await approve("admin2", "Deploy and mint a token");
  page = await open("manager", path);
  await page.getByRole("heading", { name: "On the chain" }).waitFor();
  await openSale(page);
  found.figures.market = await page.getByText("PINE8USDC").first().innerText();
}

/** The contract may take the tokens only once the issuer's wallet has signed that. */
async function openSale(page) {
  await page.getByLabel("Offered").fill("1000");
  await page.getByRole("button", { name: "Open the sale" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Sign with the issuer's wallet" }).click();
  await page.getByText("The sale is being opened on the chain.").waitFor();
  await page.getByRole("region", { name: "First sale" }).locator(".badge", { hasText: /^Open$/ }).waitFor();
}

async function leaseToRent() {
  const page = await open("manager", `/office/leases#${PROPERTY}`);
  const add = page.getByRole("region", { name: "Add a lease" });
  for (const [label, text] of [["Unit", "2B"], ["Tenant's e-mail", TENANT], ["Rent", "1200.00"]]) await add.getByLabel(label, { exact: true }).fill(text);
  await add.getByRole("button", { name: "Add the lease" }).click();
  await page.getByRole("row", { name: /2B/ }).waitFor();
  const home = await open("tenant", "/office/rent");
  await home.getByRole("region", { name: "Unit 2B" }).getByRole("button", { name: "Pay" }).last().click();
  await home.getByRole("button", { name: "Pay by card", exact: true }).click();
  await home.getByRole("link", { name: "Back" }).click();
  await home.getByText("Thank you. Stripe has your payment").waitFor();
  await home.getByRole("region", { name: "Unit 2B" }).locator(".badge", { hasText: /^Paid$/ }).waitFor(); // a column is called so, too
  found.figures.rent = await home.getByRole("region", { name: "Unit 2B" }).getByRole("row").last().innerText();
}

async function post(url, body, headers = {}) {
  const response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });
  assert.ok(response.ok, await response.clone().text());
  return response.json();
}

/** Stripe pays out, and the bank wires it on; the treasury's page says when it has come. */
async function rentToUsdc() {
  const { stripe, circle } = await sandboxes();
  const page = await open("admin1", "/office/reserves");
  const payout = await post(`${stripe}/sandbox/payout`, {});
  const reference = payout.trace_id.value;
  const row = page.getByRole("row", { name: new RegExp(reference) });
  await row.waitFor();
  const amount = (payout.amount / 100).toFixed(2);
  await post(`${circle}/v1/mocks/payments/wire`, { amount: { amount, currency: "USD" }, trackingRef: reference }, { Authorization: `Bearer ${CIRCLE_KEY}` });
  await row.getByText("Received").waitFor();
  await page.getByText("Covered.").waitFor();
}

async function incomeToDividend() {
  let page = await open("manager", `/office/income#${PROPERTY}`);
  await page.getByRole("row", { name: /2B/ }).waitFor();
  await page.getByLabel("Amount", { exact: true }).fill("12.50");
  await page.getByLabel("What for").fill("a new lock");
  await page.getByRole("button", { name: "Book it" }).click();
  await page.getByRole("row", { name: /a new lock/ }).waitFor();
  page = await open("admin1", `/office/dividends#${PROPERTY}`);
  await page.getByRole("button", { name: "Prepare it" }).click();
  await page.getByRole("heading", { name: "Preview: what each holder will get" }).waitFor();
  await page.getByRole("row", { name: /Due/ }).first().waitFor();
  found.figures.lines = await page.getByRole("row", { name: /Due/ }).count();
  await page.getByRole("link", { name: "See exactly what is approved" }).waitFor();
  const path = new URL(page.url()).pathname + new URL(page.url()).hash;
  await approve("admin2", "Pay a dividend");
  page = await open("admin1", path);
  await page.locator("h1 + .badge", { hasText: "Paid" }).waitFor();
  found.figures.paid = await page.getByRole("row", { name: /Paid/ }).count();
}

async function haltAndLift() {
  let page = await open("admin1", "/office/controls");
  const row = page.getByRole("row", { name: /ELM7USDC/ });
  await row.getByRole("button", { name: "Halt", exact: true }).click();
  await page.getByRole("dialog").getByLabel("Why").fill("a rumour");
  await page.getByRole("dialog").getByRole("button", { name: "Halt ELM7USDC" }).click();
  await row.getByText("Halted").waitFor();
  await row.getByRole("button", { name: "Lift the halt" }).click();
  await page.getByRole("button", { name: "Propose it" }).last().click();
  await page.getByText("Another person has to approve it.", { exact: false }).first().waitFor();
  await approve("admin2", "Let trading go on");
  page = await open("admin1", "/office/controls");
  await page.getByRole("row", { name: /ELM7USDC/ }).getByText("Trading").waitFor();
}

async function marketRules() {
  const page = await open("admin1", "/office/rules#ELM7USDC");
  const phase = page.getByRole("region", { name: "Phase" });
  const dialog = page.getByRole("dialog");
  for (const [name, text] of [["OPENING_CALL", "Opening call"], ["CONTINUOUS", "Continuous"]]) {
    await phase.getByRole("button", { name: "Set the phase" }).click();
    await dialog.getByLabel("Phase", { exact: true }).selectOption(name);
    if (name === "OPENING_CALL") await dialog.getByLabel("A call ends after").fill("5");
    found.violations.push(...await seriousViolations(page));
    await dialog.getByRole("button", { name: "Set the phase" }).click();
    await phase.getByText(text, { exact: true }).waitFor();
    assert.equal(await phase.getByRole("timer").count(), name === "OPENING_CALL" ? 1 : 0);
  }
  const schedule = page.getByRole("region", { name: "Schedule" });
  await schedule.getByRole("button", { name: "Set a schedule" }).click();
  for (const [label, text] of [["Time zone", "UTC"], ["Pre-open", "00:00"], ["Opening call", "00:00"], ["Trading", "00:00"], ["Closing call", "23:59"], ["Closes", "23:59"]]) {
    await dialog.getByLabel(label, { exact: true }).fill(text);
  }
  for (const day of ["Saturday", "Sunday"]) await dialog.getByLabel(day).check();
  found.violations.push(...await seriousViolations(page));
  await dialog.getByRole("button", { name: "Set the schedule" }).click();
  await schedule.getByText("Somebody has this instrument in hand").or(schedule.getByText("Next change")).waitFor();
  await schedule.getByRole("button", { name: "Remove it" }).click();
  await dialog.getByRole("button", { name: "Remove it" }).click();
  await schedule.getByText("No schedule").waitFor();
  await page.getByRole("button", { name: "Set bands" }).click();
  await dialog.getByLabel("Around the reference").fill("9000");
  await dialog.getByRole("button", { name: "Propose these bands" }).click();
  await page.getByText("Another person has to approve it.", { exact: false }).first().waitFor();
  await approve("admin2", "Set price bands");
  await (await open("admin1", "/office/rules#ELM7USDC")).getByText("90").first().waitFor();
}

async function killSwitch() {
  const page = await open("admin1", "/office/controls");
  const switches = page.getByRole("region", { name: "Kill switches" });
  const dialog = page.getByRole("dialog");
  await switches.getByLabel("Instrument").selectOption({ label: "ELM7USDC" });
  await switches.getByLabel("Reason").fill("a rumour");
  await switches.getByRole("button", { name: "See what it closes" }).click();
  found.figures.kill = await dialog.innerText();
  await dialog.getByRole("button", { name: "Put it on" }).click();
  await switches.getByRole("row", { name: /every account in ELM7USDC/ }).getByRole("button", { name: "Release" }).click();
  await dialog.getByRole("button", { name: "Propose it" }).click();
  await page.getByText("Another person has to approve it.", { exact: false }).first().waitFor();
  await approve("admin2", "Take a kill switch off");
  await (await open("admin1", "/office/controls")).getByText("No kill switch is on").waitFor();
}

async function accreditation() {
  const page = await open("officer", "/office/compliance");
  await page.getByRole("button", { name: "Review" }).click();
  found.violations.push(...await seriousViolations(page));
  await page.getByRole("button", { name: "Approve" }).click();
  await page.getByText("Approved.", { exact: true }).waitFor();
  await page.getByText("No review here").waitFor();
}

async function exit() {
  let page = await open("admin1", `/office/exit#${PROPERTY}`);
  await page.getByRole("button", { name: "End the trading for good" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "End it" }).click();
  await page.getByLabel("Sold for").fill("12000");
  await page.getByLabel("What the sale cost").fill("345.678899");
  await page.getByRole("button", { name: "Prepare the payout" }).click();
  await page.getByRole("heading", { name: "Preview: what each holder will get" }).waitFor();
  await page.getByRole("button", { name: "Propose to burn and pay exactly this" }).click();
  await page.getByRole("link", { name: "See exactly what is approved" }).waitFor();
  found.violations.push(...await seriousViolations(page));
  await approve("admin2", "Burn all tokens");
  page = await open("admin1", `/office/exit#${PROPERTY}`);
  await page.getByText("Closed: every token is burned").waitFor();
  found.figures.burned = await page.getByRole("row", { name: /Paid/ }).count();
}

/** What does not answer is said: in place of what never came, beside what is not kept up, and until it answers again. */
async function awayIsSaid() {
  const page = await open("admin1", "/office/settlement");
  const before = page.troubles.length;
  await page.getByRole("row", { name: /Projections/ }).waitFor();
  await page.route("**/operations/settlement", (route) => route.abort());
  await page.getByText("is not kept up: Deedbook does not answer").waitFor();
  await page.getByRole("row", { name: /Projections/ }).waitFor();
  await page.unroute("**/operations/settlement");
  await page.locator(".stale").waitFor({ state: "detached" });
  const detail = "The chain does not answer; try again in a moment.";
  const away = { status: 503, contentType: "application/problem+json", body: JSON.stringify({ status: 503, reason: "CHAIN_AWAY", detail }) };
  await page.route("**/operations/reserves", (route) => route.fulfill(away));
  await page.goto(`${URL_OF_PAGES}/office/reserves`);
  await page.getByText(detail).waitFor();
  await page.unroute("**/operations/reserves");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByText("Covered.").waitFor();
  page.troubles.length = before; // the browser's own words on what was staged here
}

/** Whatever a reader's navigation offers asks for nothing that the reader may not have. */
async function everyOfferIsAllowed() {
  for (const [who, page] of Object.entries(people)) {
    await open(who, "/");
    const sections = await page.locator("nav.sections a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
    const paths = new Set(sections);
    for (const section of sections) {
      await open(who, section);
      for (const tab of await page.locator("nav.tabs a").evaluateAll((links) => links.map((link) => link.getAttribute("href")))) paths.add(tab);
    }
    for (const path of paths) {
      await open(who, path);
      await settled(page);
    }
  }
}

const browser = await launch();
try {
  for (const [who, token] of Object.entries(SESSIONS)) {
    people[who] = await reader(browser, { cookies: [cookieOf(token)] });
    people[who].on("response", (response) => response.status() === 403 && found.refused.push(`${who}: ${response.request().method()} ${response.url()}`));
  }
  for (const act of [issuersWallet, draftToToken, leaseToRent, rentToUsdc, incomeToDividend, haltAndLift, marketRules, killSwitch, accreditation, awayIsSaid, everyOfferIsAllowed, exit]) {
    await act();
    console.error(`done: ${act.name}`);
  }
  found.troubles = Object.values(people).flatMap((page) => page.troubles);
} finally {
  await browser.close();
}
console.log(JSON.stringify(found));
