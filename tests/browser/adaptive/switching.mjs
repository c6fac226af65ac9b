// Owns the scenario of viewers whose layers are switched again and again. Never prints.

import { endLook, show, switchAtRandom } from "../harness/switching.mjs";
import { until } from "../harness/until.mjs";
import { ROOM, STREAM } from "./emulation.mjs";

/** @typedef {import("./emulation.mjs").Emulation} Emulation */
/** @typedef {import("../harness/switching.mjs").Switched} Switched */

/**
 * Several viewers of one stream that switch, and one of each layer that does not: what these see is of the machine and of the
 * encoder, which leaves out pictures of a small encoding after key frames that outgrow its rate.
 * @param {Emulation} emulation
 * @returns {Promise<import("./emulation.mjs").Row>}
 */
export async function switching(emulation) {
  emulation.link.rate(0);
  const pages = [];
  for (let at = 0; at < LINES.length + VIEWERS; at++) {
    const page = await emulation.blank();
    // A link that has just come up is a change of the network, which ends what Chromium loads.
    await until("the stream is shown", async () => {
      await page.reload();
      await show(page, { room: ROOM, stream: STREAM });
      return true;
    });
    pages.push(page);
  }
  const [stills, viewers] = [pages.slice(0, LINES.length), pages.slice(LINES.length)];
  await Promise.all(stills.map((page, at) => page.evaluate((lines) => /** @type {any} */ (window).chappeShow(lines), LINES[at] ?? 0)));
  // Until the estimate of its line is one that carries everything.
  await Promise.all(pages.map((page) => page.waitForTimeout(8_000)));
  const looks = stills.map((page) => switchAtRandom(page, { count: 0, seed: 0, lines: [] }));
  const all = await Promise.all(viewers.map((page, at) => switchAtRandom(page, { count: CHANGES / VIEWERS, seed: at + 1, lines: LINES })));
  await Promise.all(stills.map(endLook));
  const controls = await Promise.all(looks);
  await Promise.all(pages.map((page) => page.context().close()));
  const sum = (/** @type {(one: Switched) => number} */ of) => all.reduce((total, one) => total + of(one), 0);
  const reached = all.flatMap((one) => one.reachedMs).sort((a, b) => a - b);
  const at = (/** @type {number} */ share) => reached[Math.floor(share * (reached.length - 1))] ?? 0;
  const longest = Math.max(...all.flatMap((one) => one.gapsMs));
  return {
    what: `${CHANGES} changes of the tile's size at random, of ${VIEWERS} viewers with our library, and one of each layer beside them that does not change`,
    figures: {
      "layers reached": `${reached.length} of ${CHANGES}, after ${at(0.5)} ms (p50) and ${at(0.95)} ms (p95)`,
      "times without a picture for more than 200 ms": `${sum((one) => one.gapsMs.length - 1)} in ${sum((one) => one.pictures)} pictures, the longest ${longest} ms; without packets, too: ${sum((one) => one.silences)}`,
      "of those beside": controls.map((one, at) => `${LINES[at]} lines: ${one.gapsMs.length - 1} in ${one.pictures}, the longest ${Math.max(...one.gapsMs)} ms`).join(", "),
      "key frames asked for by decoders": String(sum((one) => one.asked)),
      "pictures not decoded": String(sum((one) => one.lost)),
      "freezes by Chromium's count": `${sum((one) => one.freezes)}, ${sum((one) => one.freezesMs)} ms`,
    },
  };
}

const CHANGES = 500;
const VIEWERS = 5;
/** Of the pictures that 576 lines are sent as. */
const LINES = [144, 288, 576];
