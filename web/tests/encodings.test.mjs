// Which encodings of a picture are sent.

import assert from "node:assert/strict";
import { test } from "node:test";

import { encodingsMax, layersWithin, planEncodings } from "../client/state/encodings.js";

/** @typedef {import("../client/state/encodings.js").Picture} Picture */

/** @type {Picture} */
const plain = { lines: 720, detailed: false, maxBitrate: undefined, maxFramerate: undefined };

/**
 * @param {Partial<Picture>} picture
 * @param {number} [count]
 */
function scales(picture, count = 3) {
  return planEncodings({ ...plain, ...picture }, count).map((e) => (e.active ? e.scaleResolutionDownBy : 0));
}

test("a picture is sent in as many sizes as make sense, the smallest first, and what is off comes last", () => {
  for (const lines of [1080, 720, 540, undefined]) assert.deepEqual(scales({ lines }), [4, 2, 1]);
  for (const lines of [480, 360, 270]) assert.deepEqual(scales({ lines }), [2, 1, 0]);
  assert.deepEqual(scales({ lines: 240 }), [1, 0, 0]);
});

test("a screen is sent in one size: scaled down, its text can't be read", () => {
  assert.deepEqual(scales({ lines: 1080, detailed: true }), [1, 0, 0]);
});

test("a sender that was left with fewer encodings sends the whole picture in the last of them", () => {
  assert.deepEqual(scales({}, 1), [1]);
  assert.deepEqual(scales({}, 2), [2, 1]);
});

test("what nobody watches is not sent, but for the smallest", () => {
  const active = (/** @type {number} */ lines, /** @type {number[]} */ unwatched) => planEncodings({ ...plain, lines }, 3, unwatched).map((e) => e.active);
  assert.deepEqual(active(720, [1, 2]), [true, false, false]);
  assert.deepEqual(active(720, [0, 1]), [true, false, true]);
  assert.deepEqual(active(360, [2]), [true, true, false]);
  assert.deepEqual(planEncodings(plain, 1, [0]).map((e) => e.active), [true]);
});

test("a codec that brings layers of its own is sent in one encoding", () => {
  assert.deepEqual(["vp8", "H264", undefined, "vp9", "av1"].map(encodingsMax), [3, 3, 3, 1, 1]);
});

test("smaller encodings have a smaller share of the rate, and nothing that is undefined is said", () => {
  assert.deepEqual(planEncodings({ ...plain, maxBitrate: 2_500_000, maxFramerate: 30 }, 3), [
    { active: true, scaleResolutionDownBy: 4, maxBitrate: 150_000, maxFramerate: 30 },
    { active: true, scaleResolutionDownBy: 2, maxBitrate: 500_000, maxFramerate: 30 },
    { active: true, scaleResolutionDownBy: 1, maxBitrate: 2_500_000, maxFramerate: 30 },
  ]);
  assert.equal(planEncodings({ ...plain, maxBitrate: 300_000 }, 3)[0]?.maxBitrate, 100_000);
  assert.equal(planEncodings({ ...plain, maxBitrate: 80_000 }, 3)[0]?.maxBitrate, 80_000);
  assert.ok(planEncodings(plain, 3).every((e) => !("maxBitrate" in e)));
});

test("a codec with layers of its own has as many as another has encodings, and a screen has none", () => {
  const layers = (/** @type {Partial<Picture>} */ picture, /** @type {string | undefined} */ codec, /** @type {string | undefined} */ wanted = undefined) => layersWithin({ ...plain, ...picture }, codec, wanted);
  assert.deepEqual([1080, 540, 360, 180].map((lines) => layers({ lines }, "vp9")), ["L3T3_KEY", "L3T3_KEY", "L2T3_KEY", "L1T3"]);
  assert.equal(layers({}, "AV1"), "L1T3", "spatial layers are only for players with dependency descriptors");
  assert.equal(layers({}, "av1", "L3T3_KEY"), "L3T3_KEY");
  assert.equal(layers({ detailed: true }, "vp9", "L3T3_KEY"), "L1T1");
  assert.deepEqual(["vp8", "h264", undefined].map((codec) => layers({}, codec, "L3T3_KEY")), [undefined, undefined, undefined]);
});
