// The change from one peer connection to the next, on the test's own clock, and when pictures are good to be shown.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

/** @import { Cadence } from "../client/state/cadence.js" */
/** @import { Peer } from "../client/media/peer.js" */

import { Handover } from "../client/media/handover.js";
import { updateCadence, updateStanding } from "../client/state/cadence.js";
import { advance, install } from "./clock.mjs";

beforeEach(install);

/** @param {string} session */
function peer(session) {
  const one = { session, closed: false, silent: false, pc: { connectionState: "connected" }, hush: () => {}, close: () => void (one.closed = true) };
  return /** @type {Peer} */ (/** @type {unknown} */ (one));
}

test("the old peer connection is closed only when the new one has been shown for a while", () => {
  /** @type {string[]} */
  const ended = [];
  const peers = new Handover((session) => ended.push(session));
  const [first, second] = [peer("first"), peer("second")];
  peers.begin(first);
  peers.complete();
  peers.begin(second);
  assert.equal(peers.carrying, first);
  peers.complete();
  assert.equal(peers.carrying, second);
  advance(100);
  assert.equal(first.closed, false, "closing would fall on the first pictures");
  assert.deepEqual(peers.living(), ["second", "first"]);
  advance(1000);
  assert.equal(first.closed, true);
  assert.deepEqual(ended, ["first"]);
  assert.deepEqual(peers.living(), ["second"]);
});

test("a session of which nothing is heard is not asked for any more, but ended with the others", () => {
  const peers = new Handover(() => {});
  const [first, second] = [peer("first"), peer("second")];
  peers.begin(first);
  peers.complete();
  peers.begin(second);
  first.silent = true;
  assert.deepEqual(peers.living(), ["second"]);
  assert.deepEqual(peers.held(), ["second", "first"]);
});

test("one that is about to be closed is closed with all others", () => {
  const peers = new Handover(() => assert.fail("the server was told by who ends all"));
  const both = [peer("first"), peer("second")];
  for (const one of both) {
    peers.begin(one);
    peers.complete();
  }
  peers.close();
  assert.deepEqual(both.map((one) => one.closed), [true, true]);
  advance(1000);
});

/**
 * Looks each 100 ms.
 * @param {number[]} decoded how many frames between two looks
 * @returns {number} of looks until it was even, or -1
 */
function looksUntilEven(decoded) {
  /** @type {Cadence | null} */
  let cadence = null;
  let frames = 0;
  return decoded.findIndex((more, look) => {
    frames += more;
    cadence = updateCadence(cadence, { frames, nowMs: look * 100 });
    return cadence.even;
  });
}

test("a burst of kept pictures is not shown, the even ones behind it are", () => {
  const live = Array.from({ length: 12 }, () => 3);
  assert.equal(looksUntilEven([1, ...live]), 4);
  const rush = looksUntilEven([20, 20, 15, ...live]);
  assert.ok(rush >= 6, `shown at look ${rush}, while the burst or its end was in the window`);
  assert.equal(looksUntilEven([40, 40, 40, 40, 40, 40, 40]), -1, "as long as they rush");
});

test("slow and standing pictures are even too, and nothing is not", () => {
  assert.equal(looksUntilEven([1, 0, 0, 0, 0, 0]), 4);
  assert.ok(looksUntilEven([1, 1, 0, 1, 0, 1, 0, 1]) > 0);
  assert.equal(looksUntilEven([0, 0, 0, 0, 0, 0, 0, 0]), -1);
});

test("old pictures that stand for four of a camera's are not waited for, and one more makes them move again", () => {
  let old = updateStanding(null, { frames: 100, nowMs: 0 });
  assert.equal(old.stands, false);
  old = updateStanding(old, { frames: 102, nowMs: 60 });
  old = updateStanding(old, { frames: 102, nowMs: 180 });
  assert.equal(old.stands, false);
  old = updateStanding(old, { frames: 102, nowMs: 190 });
  assert.equal(old.stands, true);
  assert.equal(updateStanding(old, { frames: 103, nowMs: 250 }).stands, false);
});
