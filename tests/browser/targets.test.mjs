// The rates that Chromium's encoders announce for their layers, which our page has it offer: known of what a viewer gets.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { GROWS_WITHIN_MS, decodes, player } from "./harness/player.mjs";
import { Scene } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

describe("announced rates", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  for (const [codec, kind] of /** @type {[string, string][]} */ ([["vp8", "of two encodings"], ["vp9", "of layers within one encoding"]])) {
    test(`${codec}: ${kind}, those of the smallest picture are known for whom it is sent to`, async () => {
      const room = `targets-${codec}`;
      const publisher = await scene.publisher(room, "cam", codec);
      const viewer = await player(scene, `${room}/cam?max=180`);
      await decodes(viewer, 180);
      await until("a rate is announced that such a picture may take", async () => {
        const rate = await announced(room);
        return rate !== null && rate >= 20_000 && rate <= 1_000_000;
      }, { withinMs: GROWS_WITHIN_MS });
      for (const page of [publisher, viewer]) await page.context().close();
    });
  }

  test("nothing that Chromium announces is strange", async () => {
    const metrics = await (await fetch(`${scene.server.admin}/metrics`)).text();
    assert.deepEqual(metrics.split("\n").filter((line) => /^chappe_worker_drops_total.*targets_unread/.test(line)), []);
  });

  /**
   * @param {string} room
   * @returns {Promise<number | null>} in bits per second
   */
  async function announced(room) {
    const of = async (/** @type {string} */ path) => (await fetch(`${scene.server.admin}/api/v1/sessions${path}`)).json();
    const sessions = /** @type {{id: string, kind: string, room: string}[]} */ (await of(""));
    const viewer = sessions.find((session) => session.kind === "whep" && session.room === room);
    return viewer ? ((await of(`/${viewer.id}`)).stats?.sent?.[0]?.layer?.target_bits_per_second ?? null) : null;
  }
});
