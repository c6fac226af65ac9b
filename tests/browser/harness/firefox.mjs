// Owns a real Firefox and looks at its pages. Never knows what a page is for.

import puppeteer from "puppeteer-core";

import { tellMedia } from "./observe.mjs";
import { until } from "./until.mjs";

/** @typedef {import("puppeteer-core").Page} Page */
/** @typedef {import("puppeteer-core").Browser} Browser */

export const FIREFOX = process.env["FIREFOX"] ?? "/usr/bin/firefox-esr";
export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

/** Values of `media.autoplay.default`. */
const AUTOPLAY = { allowed: 0, blockedIfHeard: 1 };

const PREFERENCES = {
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  // Firefox would fetch codecs and settings from the network; tests stay on this machine.
  "media.gmp-manager.updateEnabled": false,
  "app.normandy.enabled": false,
};

/** Values of `layout.css.prefers-color-scheme.content-override`. */
const COLORS = { dark: 0, light: 1 };

/**
 * @param {{autoplay?: boolean, dark?: boolean}} [options] `autoplay`: sound may start without a click
 */
export function launchFirefox({ autoplay = true, dark = false } = {}) {
  const extraPrefsFirefox = {
    ...PREFERENCES,
    "media.autoplay.default": autoplay ? AUTOPLAY.allowed : AUTOPLAY.blockedIfHeard,
    "layout.css.prefers-color-scheme.content-override": dark ? COLORS.dark : COLORS.light,
  };
  return puppeteer.launch({ browser: "firefox", executablePath: FIREFOX, headless: true, extraPrefsFirefox });
}

/**
 * A page of its own, as if on another computer: no shared storage.
 * @param {Browser} browser
 * @param {string} url
 * @param {{width: number, height: number}} [viewport]
 */
export async function openFirefox(browser, url, viewport = DESKTOP) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await page.setViewport(viewport);
  await page.evaluateOnNewDocument(hearTests);
  await page.evaluateOnNewDocument(tellMedia);
  await page.goto(url);
  return page;
}

/** Runs in the page: what a test dispatches at a track reaches Firefox's listeners there only with a fourth argument of its own. */
function hearTests() {
  const { addEventListener } = MediaStreamTrack.prototype;
  MediaStreamTrack.prototype.addEventListener = function (/** @type {any} */ type, /** @type {any} */ listener, /** @type {any} */ options) {
    /** @type {any} */ (addEventListener).call(this, type, listener, options ?? false, true);
  };
}

/**
 * @param {Page} page
 * @param {string} selector
 */
export function text(page, selector) {
  return page.$eval(selector, (element) => element.textContent ?? "");
}

/**
 * @param {Page} page
 * @param {string} selector
 */
export function shown(page, selector) {
  return page.$$eval(selector, (all) => all.some((element) => element.checkVisibility()));
}

/**
 * Firefox counts no frames of a live stream, so the picture itself is asked: four different ones.
 * @param {Page} page
 * @param {string} selector
 */
export async function pictureMoves(page, selector) {
  /** @type {Set<number>} */
  const pictures = new Set();
  await until(`four different pictures in ${selector}`, async () => {
    pictures.add(await page.$eval(selector, checksum));
    pictures.delete(0);
    return pictures.size >= 4;
  });
}

/**
 * Runs in the page.
 * @param {Element} video
 */
function checksum(video) {
  if (!(video instanceof HTMLVideoElement) || video.videoWidth === 0) return 0;
  const canvas = document.createElement("canvas");
  canvas.width = 64;
  canvas.height = 36;
  const drawing = canvas.getContext("2d");
  drawing?.drawImage(video, 0, 0, 64, 36);
  return Array.from(drawing?.getImageData(0, 0, 64, 36).data ?? []).reduce((sum, value) => (sum * 31 + value) >>> 0, 0);
}
