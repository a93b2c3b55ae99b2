// Every page, for each kind of reader, on a desk and on a phone: it fills, axe finds nothing serious in the dark and in the
// light, and nothing is logged.
// SESSIONS is JSON of name to session token; VISITS of name to paths. With PICTURES, a folder, each page is kept as a PNG.

import { cookieOf, launch, reader, seriousViolations, settled, URL_OF_PAGES } from "./browser.mjs";

const SESSIONS = JSON.parse(process.env.SESSIONS);
const VISITS = JSON.parse(process.env.VISITS);
const { PICTURES } = process.env;
const LOOKS = [
  { width: 1440, height: 900, scheme: "dark", other: "light", name: "" },
  { width: 390, height: 844, scheme: "light", other: "dark", name: "-phone" },
];
const PATHS = Object.values(VISITS).flat();
const found = { visited: 0, violations: [], troubles: [], wide: [] };

/** Of a page that shows a list or one of it, the one is named in the singular. */
function fileName(path) {
  const [page, one] = path.split("#");
  const name = page === "/" ? "markets" : page.slice(1).replaceAll("/", "-");
  return one && PATHS.includes(page) ? name.replace(/s$/, "") : name;
}

const browser = await launch();
try {
  for (const [name, paths] of Object.entries(VISITS)) {
    for (const look of LOOKS) {
      const page = await reader(browser, { ...look, cookies: SESSIONS[name] ? [cookieOf(SESSIONS[name])] : [] });
      for (const path of paths) {
        await page.goto("about:blank"); // a change of what stands behind # alone loads nothing
        await page.goto(URL_OF_PAGES + path);
        await settled(page).catch((error) => found.troubles.push(`${path}: ${error.message.split("\n")[0]}`));
        for (const colorScheme of [look.other, look.scheme]) {
          await page.emulateMedia({ colorScheme });
          found.violations.push(...(await seriousViolations(page)).map((violation) => `${colorScheme}: ${violation}`));
        }
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (overflow > 0) found.wide.push(`${path}: ${overflow} px wider than ${look.width}`);
        if (PICTURES) await page.screenshot({ path: `${PICTURES}/${fileName(path)}${look.name}.png`, fullPage: true });
        found.visited += 1;
      }
      found.troubles.push(...page.troubles);
      await page.context().close();
    }
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(found));
