// Another layer again and again, of each structure that Chromium's encoders make: its decoders go on.
// Runs alone: an encoder that is short of processor time leaves out the largest pictures. `make adaptive` has 500 changes.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { TURN_MS } from "./harness/observe.mjs";
import { Scene } from "./harness/scene.mjs";
import { STRUCTURES, sendCamera } from "./harness/structures.mjs";
import { show, switchAtRandom } from "./harness/switching.mjs";

const CHANGES = 20;
/** Of the pictures that 576 lines are sent as. */
const LINES = [144, 288, 576];
/** A key frame on a busy machine. */
const STANDS_AT_MOST_TURNS = 1_000 / TURN_MS;

describe("layers that are switched at random", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  for (const [name, structure] of Object.entries(STRUCTURES)) {
    test(`${name}: every layer comes, and nothing is asked for, lost or stands still`, async () => {
      const publisher = await scene.page("/healthz");
      await sendCamera(publisher, `${scene.server.url}/whip/switches/${name}`, structure, 576);
      const viewer = await scene.page("/healthz");
      await show(viewer, { room: "switches", stream: name });
      const { missed, asked, lost, longestTurns } = await switchAtRandom(viewer, { count: CHANGES, seed: 7, lines: LINES });
      assert.deepEqual({ missed, asked, lost }, { missed: 0, asked: 0, lost: 0 });
      assert.ok(longestTurns <= STANDS_AT_MOST_TURNS, `no picture for ${longestTurns} turns`);
      for (const page of [publisher, viewer]) await page.context().close();
    });
  }
});
