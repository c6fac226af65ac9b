// One encoding with layers (SVC), as Chromium's encoders make it, sent by WHIP: which of them each viewer decodes.
// Runs alone: it counts the turns for which pictures stand still.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { TURN_MS, gaps, tile, watchForGaps } from "./harness/observe.mjs";
import { decodes, player } from "./harness/player.mjs";
import { Scene, goLive } from "./harness/scene.mjs";
import { sendCamera } from "./harness/structures.mjs";

/** A key frame that a change waits for, on a busy machine. */
const STANDS_AT_MOST_TURNS = 1_500 / TURN_MS;

describe("layers within an encoding", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  for (const [codec, mode, says] of /** @type {[string, string, boolean][]} */ ([["VP9", "L3T3_KEY", false], ["VP9", "L3T3_KEY", true], ["VP9", "L3T3", true]])) {
    test(`${codec} ${mode} ${says ? "with" : "without"} dependency descriptors: each viewer decodes the picture that it may have`, async () => {
      const room = `${codec}-${mode}-${says}`.toLowerCase().replaceAll("_", "-");
      const publisher = await publish(scene, room, { codec, mode, says });
      const players = await Promise.all([720, 360, 180].map((lines) => player(scene, `${room}/cam?max=${lines}`)));
      await Promise.all(players.map((page, at) => decodes(page, [720, 360, 180][at] ?? 0)));
      for (const page of [publisher, ...players]) await page.context().close();
    });
  }

  test("VP9 L3T3_KEY: the picture follows the size of its tile and does not stop", async () => {
    const publisher = await publish(scene, "tiles", { codec: "VP9", mode: "L3T3_KEY", says: true });
    const viewer = await scene.viewer("tiles", "cam");
    await decodes(viewer, 720);
    for (const [width, height, lines] of /** @type {[number, number, number][]} */ ([[330, 400, 180], [1280, 800, 720], [600, 500, 360], [1280, 800, 720]])) {
      await watchForGaps(viewer, `${tile("cam")} video`);
      await viewer.setViewportSize({ width, height });
      await decodes(viewer, lines);
      const { longestTurns, longestMs } = await gaps(viewer);
      assert.ok(longestTurns <= STANDS_AT_MOST_TURNS, `on the way to ${lines} lines no picture for ${longestTurns} turns, ${Math.round(longestMs)} ms`);
    }
    for (const page of [publisher, viewer]) await page.context().close();
  });

  test("AV1 L3T3_KEY: a player that does not negotiate dependency descriptors decodes the lowest layer", async () => {
    const publisher = await publish(scene, "av1", { codec: "AV1", mode: "L3T3_KEY", says: true });
    const viewer = await player(scene, "av1/cam");
    await decodes(viewer, 180);
    for (const page of [publisher, viewer]) await page.context().close();
  });

  for (const [codec, query] of [["vp9", ""], ["av1", "&layers=L3T3_KEY"]]) {
    test(`the publish page sends ${codec} in three sizes within one encoding, and our page shows the one that fits its tile`, async () => {
      const room = `page-${codec}`;
      const publisher = await scene.page(`/publish?room=${room}&stream=cam&codec=${codec}&quality=720${query}`);
      await goLive(publisher);
      const viewer = await scene.viewer(room, "cam");
      await decodes(viewer, 720);
      const small = await player(scene, `${room}/cam?max=180`);
      await decodes(small, 180);
      await viewer.setViewportSize({ width: 330, height: 400 });
      await decodes(viewer, 180);
      const modes = await publisher.evaluate(() => /** @type {any} */ (window).chappeModes());
      assert.deepEqual(modes, ["L3T3_KEY"]);
      for (const page of [publisher, viewer, small]) await page.context().close();
    });
  }

  test("AV1 and VP8 with temporal layers alone are decoded whole", async () => {
    for (const codec of ["AV1", "VP8"]) {
      const room = `time-${codec}`.toLowerCase();
      const publisher = await publish(scene, room, { codec, mode: "L1T3", says: codec === "AV1" });
      const viewer = await player(scene, `${room}/cam`);
      await decodes(viewer, 720);
      for (const page of [publisher, viewer]) await page.context().close();
    }
  });
});

/**
 * A page that sends its camera in one encoding.
 * @param {Scene} scene
 * @param {string} room
 * @param {{codec: string, mode: string, says: boolean}} how `says`: it offers dependency descriptors
 */
async function publish(scene, room, { codec, mode, says }) {
  const page = await scene.page("/healthz");
  await sendCamera(page, `${scene.server.url}/whip/${room}/cam`, { codec, modes: [mode], says });
  return page;
}
