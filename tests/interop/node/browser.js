// Runs a function body in a page of headless Chromium, with jszmq there as `zmq`:
//   node browser.js BUNDLE PROFILE BODY ARGUMENT      prints what the body's promise gives
"use strict";
const { chromium } = require("playwright-core");
const [bundle, profile, body, argument] = process.argv.slice(2);
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

(async () => {
  const browser = await chromium.launchPersistentContext(profile,
    { executablePath: "/usr/bin/chromium", headless: true, args, ignoreHTTPSErrors: true });
  try {
    const page = await browser.newPage();
    page.on("pageerror", (e) => console.error("in the page:", e.message));
    await page.addScriptTag({ path: bundle });
    console.log(await page.evaluate(([text, value]) => new Function("endpoint", text)(value), [body, argument]));
  } finally {
    await browser.close();
  }
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
