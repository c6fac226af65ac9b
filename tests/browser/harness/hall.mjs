// Owns a room of many who send sound and no picture, all in one page, and one who hears. Never judges who is heard.

import { until } from "./until.mjs";

/** @typedef {import("playwright-core").Page} Page */

/**
 * A page in which all of these publish, and are silent until {@link setVolume}.
 * @param {import("./scene.mjs").Scene} scene
 * @param {string} room
 * @param {string[]} names
 */
export async function speakers(scene, room, names) {
  const page = await scene.page("/");
  await page.evaluate(async ({ roomName, names }) => {
    const { joinRoom } = await import(new URL("/assets/client/room.js", location.href).href);
    const context = new AudioContext();
    const tone = new OscillatorNode(context, { frequency: 220 });
    tone.start();
    /** @type {Record<string, GainNode>} */
    const volumes = {};
    for (const name of names) {
      const [volume, out] = [new GainNode(context, { gain: 0 }), context.createMediaStreamDestination()];
      tone.connect(volume).connect(out);
      volumes[name] = volume;
      const room = await joinRoom({ url: location.origin, room: roomName, name });
      room.publish(name, out.stream, {});
    }
    Object.assign(window, { volumes });
  }, { roomName: room, names });
  return page;
}

/**
 * @param {Page} page of the speakers
 * @param {string} name
 * @param {number} gain 1 for as loud as it goes
 */
export function setVolume(page, name, gain) {
  return page.evaluate(({ name, gain }) => void (/** @type {any} */ (window).volumes[name].gain.value = gain), { name, gain });
}

/**
 * A page that watches all of these.
 * @param {import("./scene.mjs").Scene} scene
 * @param {string} room
 * @param {string[]} names
 */
export async function listen(scene, room, names) {
  const page = await scene.page("/");
  await page.evaluate(async (roomName) => {
    const { joinRoom } = await import(new URL("/assets/client/room.js", location.href).href);
    const room = await joinRoom({ url: location.origin, room: roomName, name: "Listener" });
    room.watch("all");
    Object.assign(window, { room });
  }, room);
  await until("all are there", async () => (await sound(page)).filter(({ name }) => names.includes(name)).length === names.length);
  return page;
}

/**
 * Until sound comes of five at most, of all of these among them; of nobody if there are none.
 * @param {Page} page of the listener
 * @param {string[]} names
 * @returns {Promise<string[]>} of whom it comes
 */
export async function hears(page, names) {
  const found = await until(`sound of ${names.join() || "nobody"}`, async () => {
    const heard = await heardWithin(page, 1_000);
    const all = heard.length <= 5 && names.every((name) => heard.includes(name));
    return all && (names.length > 0 || heard.length === 0) ? { heard } : null;
  }, { withinMs: 30_000 });
  return found.heard;
}

/**
 * @param {Page} page
 * @param {number} ms
 */
async function heardWithin(page, ms) {
  const before = await sound(page);
  await page.waitForTimeout(ms);
  const packets = (/** @type {string} */ track) => before.find((one) => one.track === track)?.packets ?? 0;
  return (await sound(page)).filter((one) => one.packets > packets(one.track)).map(({ name }) => name);
}

/**
 * What came of each so far.
 * @param {Page} page
 * @returns {Promise<{name: string, track: string, packets: number}[]>}
 */
function sound(page) {
  return page.evaluate(async () => {
    const { room, chappeInbound } = /** @type {any} */ (window);
    const flows = /** @type {{track: string, packets: number}[]} */ (await chappeInbound());
    const views = /** @type {{stream: string, mediaStream: MediaStream}[]} */ ([...room.views.values()]);
    return views.flatMap(({ stream, mediaStream }) => mediaStream.getAudioTracks().map(({ id }) => ({ name: stream, track: id, packets: flows.find(({ track }) => track === id)?.packets ?? 0 })));
  });
}
