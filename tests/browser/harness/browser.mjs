// Owns real Chromium processes. Never knows what a page is for.

import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream=fps=30",
  "--disable-renderer-backgrounding",
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
];

/**
 * @param {object} [options]
 * @param {string[]} [options.args]
 * @param {boolean} [options.autoplay] sound may start without a click
 * @param {"allow" | "deny"} [options.camera] what the person answers
 * @param {boolean} [options.keeps] pages that were left, for the way back, as it does for people
 * @param {string} [options.program] that starts Chromium, in place of Chromium itself
 * @param {string} [options.home] whose certificate authorities are trusted, too
 */
export function launch({ args = [], autoplay = true, camera = "allow", keeps = false, program, home } = {}) {
  const executablePath = program ?? process.env["CHROMIUM"] ?? "/usr/bin/chromium";
  const permission = camera === "allow" ? "--use-fake-ui-for-media-stream" : "--use-fake-ui-for-media-stream=deny";
  const policy = autoplay ? ["--autoplay-policy=no-user-gesture-required"] : [];
  const env = /** @type {Record<string, string>} */ ({ ...process.env, ...(home && { HOME: home }) });
  const ignoreDefaultArgs = keeps ? ["--disable-back-forward-cache"] : [];
  return chromium.launch({ executablePath, headless: true, env, ignoreDefaultArgs, args: [...FLAGS, permission, ...policy, ...args] });
}
