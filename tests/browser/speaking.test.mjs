// Who speaks is shown on their tile, as the server hears it in the headers of the packets.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { hears, listen, setVolume, speakers } from "./harness/hall.mjs";
import { picturesMove, tile } from "./harness/observe.mjs";
import { Scene, goLive } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("playwright-core").Page} Page */

describe("speaking", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  test("the tile of the one who speaks has a ring, until they fall silent", async () => {
    const [ada, bob] = await Promise.all(["ada", "bob"].map((name) => speaker(scene, name)));
    if (!ada || !bob) throw new Error("two speakers");
    const viewer = await scene.viewer("talk");
    await Promise.all(["ada", "bob"].map((name) => picturesMove(viewer, `${tile(name)} video`, { sound: false })));
    const rings = () => viewer.$$eval(".tile.speaking", (tiles) => tiles.map((one) => one instanceof HTMLElement && one.dataset["stream"]).join());
    for (const [who, name] of /** @type {const} */ ([[ada, "ada"], [bob, "bob"], [ada, "ada"]])) {
      await say(who, true);
      await until(`${name} alone speaks`, async () => (await rings()) === name);
      await say(who, false);
      await until("nobody speaks", async () => (await rings()) === "");
    }
    await say(bob, true);
    await until("bob speaks", async () => (await rings()) === "bob");
    await bob.click("#mute");
    await until("a muted microphone is silent", async () => (await rings()) === "");
    for (const page of [ada, bob, viewer]) await page.context().close();
  });

  test("of twelve who may speak one hears the five loudest, whoever begins, and nothing when nobody does", async () => {
    const all = Array.from({ length: 12 }, (_, place) => `voice-${place}`);
    const [hall, listener] = [await speakers(scene, "hall", all), await listen(scene, "hall", all)];
    const five = all.slice(0, 5);
    for (const name of five) await setVolume(hall, name, 0.05);
    await hears(listener, five);
    const late = all[11] ?? "";
    await setVolume(hall, late, 0.5);
    const heard = await hears(listener, [late]);
    assert.equal(heard.length, 5, `${heard}`);
    assert.equal(heard.filter((name) => five.includes(name)).length, 4, `${heard}`);
    for (const name of [...five, late]) await setVolume(hall, name, 0);
    await hears(listener, []);
    for (const page of [hall, listener]) await page.context().close();
  });
});

/**
 * A publish page whose microphone is a tone that can be turned on and off.
 * @param {Scene} scene
 * @param {string} name
 */
async function speaker(scene, name) {
  const page = await scene.page("/healthz");
  await page.addInitScript(() => {
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (constraints = {}) => {
      const { audio, ...others } = constraints;
      const tracks = others.video ? (await real(others)).getTracks() : [];
      if (!audio) return new MediaStream(tracks);
      const context = new AudioContext();
      const [tone, volume, out] = [context.createOscillator(), context.createGain(), context.createMediaStreamDestination()];
      volume.gain.value = 0;
      tone.connect(volume).connect(out);
      tone.start();
      Object.assign(window, { say: (/** @type {boolean} */ loud) => (volume.gain.value = loud ? 0.3 : 0) });
      return new MediaStream([...tracks, ...out.stream.getAudioTracks()]);
    };
  });
  await page.goto(`${scene.server.url}/publish?room=talk&stream=${name}&codec=vp8&quality=360`);
  await goLive(page);
  return page;
}

/**
 * @param {Page} page
 * @param {boolean} loud
 */
function say(page, loud) {
  return page.evaluate((on) => /** @type {any} */ (window).say(on), loud);
}
