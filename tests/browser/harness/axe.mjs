// Owns what axe finds on a page, as it looks by day and by night, on a desktop and on a phone. Never steers the page.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** @typedef {import("playwright-core").Page} Page */

export const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

/**
 * Asserts that axe finds nothing in the state that the page is in, in each of the four looks.
 * @param {Page} page
 * @param {string} where
 */
export async function clean(page, where) {
  await page.evaluate(AXE);
  const viewport = page.viewportSize() ?? DESKTOP;
  for (const size of [DESKTOP, PHONE]) {
    await page.setViewportSize(size);
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      // With less motion a colour is the new one at once.
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      assert.deepEqual(await page.evaluate(violations), [], `${where}, ${colorScheme}, ${size.width} px wide`);
    }
  }
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
}

/** Runs in the page. */
export async function violations() {
  const found = await /** @type {any} */ (window).axe.run(document, { resultTypes: ["violations"] });
  return found.violations.map((/** @type {any} */ v) => `${v.id}: ${v.nodes.map((/** @type {any} */ n) => `${n.html} ${n.failureSummary}`).join("\n")}`);
}
