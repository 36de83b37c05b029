// One headless Chromium; each line of its input is a function body to run in a page of its own, with jszmq there as `zmq`:
//   node browser.js BUNDLE PROFILE
//   {"id": 1, "body": "...", "argument": "..."}    answered by {"id": 1, "answer": ...} or {"id": 1, "error": "..."}
//   {"close": 1}                                   the page goes, and what it had open; answered by {"id": 1}
"use strict";
const { chromium } = require("playwright-core");
const readline = require("readline");
const [bundle, profile] = process.argv.slice(2);
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-background-timer-throttling",
  "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows"];
const say = (words) => console.log(JSON.stringify(words));
const pages = new Map();

async function run(browser, { id, body, argument }) {
  const page = await browser.newPage();
  pages.set(id, page);
  page.on("pageerror", (e) => console.error("in the page:", e.message));
  await page.addScriptTag({ path: bundle });
  say({ id, answer: await page.evaluate(([text, value]) => new Function("endpoint", text)(value), [body, argument]) });
}

async function close(id) {
  await pages.get(id).close();
  say({ id });
}

(async () => {
  const browser = await chromium.launchPersistentContext(profile,
    { executablePath: "/usr/bin/chromium", headless: true, args, ignoreHTTPSErrors: true });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const job = JSON.parse(line);
    const work = job.close ? close(job.close) : run(browser, job);
    work.catch((e) => pages.get(job.id)?.isClosed() || say({ id: job.id, error: String(e) }));
  }
  await browser.close();
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
