// What people in a room write to each other, through the pages and the real server.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Scene, join } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** A member may say five messages at once and then one per second, so this many do not pass. */
const TOO_MANY = 20;

describe("chat", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  test("what one says the other reads, as text, with a name, and a newcomer finds it", async () => {
    const ada = await join(await scene.page("/room/talk?name=Ada"));
    const bo = await join(await scene.page("/room/talk?name=Bo"));
    await until("both are here", async () => /^2 people/.test((await ada.textContent(".people summary")) ?? ""));
    await say(ada, "<b>Hello</b>");
    await until("Bo reads it", async () => (await texts(bo)).includes("<b>Hello</b>"));
    assert.equal(await bo.textContent(".said .who strong"), "Ada");
    assert.equal(await ada.textContent(".mine .who strong"), "You");

    const late = await scene.page("/watch/talk");
    assert.ok(await late.locator("#chat").isHidden(), "who watches is not disturbed");
    await until("the newcomer has it", async () => (await texts(late)).includes("<b>Hello</b>"));
    assert.equal(await late.getAttribute(".log", "aria-live"), "off", "what was said before is not read out");
    assert.ok(await late.locator(".unseen").isHidden(), "and is not new");
    await say(ada, "Now");
    await until("what is new is", async () => (await late.textContent(".unseen")) === "1");
    assert.equal(await late.getAttribute(".log", "aria-live"), "polite");
    await late.click("#chat-toggle");
    assert.deepEqual(await texts(late), ["<b>Hello</b>", "Now"]);
    assert.ok(await late.locator(".unseen").isHidden());
    for (const page of [ada, bo, late]) await page.context().close();
  });

  test("web addresses can be followed, in any script's text, and nothing else becomes a link", async () => {
    const page = await join(await scene.page("/room/links?name=Ada"));
    await say(page, "שלום https://a.example/x, javascript:alert(1) <a href=https://b.example>");
    const links = await page.$$eval(".said a", (all) => all.map((a) => (a instanceof HTMLAnchorElement ? [a.href, a.target, a.rel] : [])));
    const how = ["_blank", "noopener noreferrer nofollow"];
    assert.deepEqual(links, [["https://a.example/x", ...how], ["https://b.example/", ...how]]);
    assert.equal(await page.$eval(".said p", (p) => getComputedStyle(p).direction), "rtl");
    await page.context().close();
  });

  test("the others see who types, until it is said", async () => {
    const ada = await join(await scene.page("/room/typing?name=Ada"));
    const bo = await join(await scene.page("/room/typing?name=Bo"));
    await until("both are here", async () => /^2 people/.test((await ada.textContent(".people summary")) ?? ""));
    await bo.locator("#chat-text").pressSequentially("Hm");
    await until("Ada sees it", async () => (await ada.textContent(".typing")) === "Bo is typing…");
    await bo.keyboard.press("Enter");
    await until("Ada reads it", async () => (await texts(ada)).includes("Hm"));
    assert.equal(await ada.textContent(".typing"), "");
    for (const page of [ada, bo]) await page.context().close();
  });

  test("who writes too fast is told, and keeps the text", async () => {
    const page = await join(await scene.page("/room/fast?name=Ada"));
    await until("the page is connected", async () => (await page.getAttribute("#link-state", "data-phase")) === "open");
    const refused = async () => /too fast/.test((await page.textContent("#chat .problem")) ?? "");
    for (let n = 0; n < TOO_MANY && !(await refused()); n++) {
      await page.fill("#chat-text", `message ${n}`);
      await page.press("#chat-text", "Enter");
      await until("it is answered", async () => (await page.inputValue("#chat-text")) === "" || refused(), { everyMs: 5 });
    }
    assert.ok(await refused());
    const kept = await page.inputValue("#chat-text");
    assert.match(kept, /^message \d+$/);
    assert.ok(!(await texts(page)).includes(kept));
    await page.context().close();
  });

  test("keys that steer the page only write in the chat, and Escape leaves it", async () => {
    const page = await join(await scene.page("/room/keys?name=Ada"));
    await page.locator("#chat-text").pressSequentially("smf");
    assert.equal(await page.inputValue("#chat-text"), "smf");
    assert.equal(await page.getAttribute("#facts", "aria-pressed"), "false");
    await page.keyboard.press("Escape");
    assert.ok(await page.locator("#chat").isHidden());
    assert.equal(await page.evaluate(() => document.activeElement?.id), "chat-toggle");
    await page.context().close();
  });
});

/**
 * @param {Page} page
 * @param {string} text
 */
async function say(page, text) {
  await page.fill("#chat-text", text);
  await page.press("#chat-text", "Enter");
  await until("it is said", async () => (await texts(page)).includes(text), { everyMs: 5 });
}

/** @param {Page} page */
function texts(page) {
  return page.locator(".said p").allTextContents();
}
