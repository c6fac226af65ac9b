// What pages say of sources, of one's own stream, and of what broke: the pure parts.

import assert from "node:assert/strict";
import { test } from "node:test";

import { updateMotion } from "../client/state/motion.js";
import { initialBroadcast } from "../pages/state/broadcast.js";
import { initialCapture, updateCapture } from "../pages/state/capture.js";
import { ownNote, ownTrouble } from "../pages/state/meeting.js";
import { planSources } from "../pages/state/sources.js";
import { SHOWN_AFTER_MS, steady, updateSteady } from "../pages/state/steady.js";
import { tileState } from "../pages/state/tile.js";
import { labelOf, sentTexts } from "../pages/words.js";

/** @import { Stream } from "../client/protocol.js" */
/** @import { CaptureEvent } from "../pages/state/capture.js" */

const CAMERA = { from: /** @type {const} */ ("camera"), camera: "c1", microphone: "m1", height: 360 };
const BOTH = { video: true, audio: true };

/** @param {CaptureEvent[]} events */
function capture(...events) {
  return events.reduce(updateCapture, initialCapture);
}

const ON = /** @type {CaptureEvent[]} */ ([{ type: "ask", from: "camera" }, { type: "got", turn: 1, kinds: ["video", "audio"] }]);

test("a change that fails or is cancelled keeps the old source", () => {
  const state = capture(...ON, { type: "ask", from: "screen" }, { type: "failed", turn: 2, problem: "NotAllowedError" });
  assert.deepEqual([state.phase, state.from, state.problem], ["on", "camera", "NotAllowedError"]);
  assert.equal(updateCapture(state, { type: "accepted" }).problem, null);
});

test("a first question that fails leaves nothing on", () => {
  assert.equal(capture({ type: "ask", from: "camera" }, { type: "failed", turn: 1, problem: "NotFoundError" }).phase, "failed");
});

test("a source that ended by itself is known until another of its kind is there", () => {
  const lost = capture(...ON, { type: "lost", source: "microphone" });
  assert.deepEqual(lost.lost, ["microphone"]);
  const camera = updateCapture(updateCapture(lost, { type: "ask", from: "camera" }), { type: "got", turn: 2, kinds: ["video"] });
  assert.deepEqual(camera.lost, ["microphone"], "another camera is no microphone");
  const back = updateCapture(updateCapture(camera, { type: "ask", from: "camera" }), { type: "got", turn: 3, kinds: ["video", "audio"] });
  assert.deepEqual(back.lost, []);
});

test("a shared screen that ended is no screen any more", () => {
  const state = capture({ type: "ask", from: "screen" }, { type: "got", turn: 1, kinds: ["video"] }, { type: "lost", source: "screen" });
  assert.deepEqual([state.from, state.lost], ["camera", ["screen"]]);
});

test("only what was changed is opened anew", () => {
  assert.deepEqual(planSources(null, CAMERA, { video: false, audio: false }), { video: "open", audio: "open" });
  assert.deepEqual(planSources(CAMERA, { ...CAMERA, microphone: "m2" }, BOTH), { video: "keep", audio: "open" });
  assert.deepEqual(planSources(CAMERA, { ...CAMERA, height: 720 }, BOTH), { video: "resize", audio: "keep" });
  assert.deepEqual(planSources(CAMERA, { ...CAMERA, camera: "none" }, BOTH), { video: "none", audio: "keep" });
  assert.deepEqual(planSources(CAMERA, { ...CAMERA, camera: "" }, BOTH), { video: "keep", audio: "keep" });
});

test("another microphone does not ask for the screen again, and back to the camera opens it", () => {
  const screen = { ...CAMERA, from: /** @type {const} */ ("screen") };
  assert.deepEqual(planSources(screen, { ...screen, microphone: "m2" }, BOTH), { video: "keep", audio: "open" });
  assert.deepEqual(planSources(screen, CAMERA, BOTH), { video: "open", audio: "keep" });
});

test("figures of what is not sent are a dash", () => {
  const track = { mid: "0", direction: /** @type {const} */ ("out"), bytes: 1, fps: 30, frames: 1, packets: 1, packetsLost: 0, jitterMs: 0, freezes: 0, audioLevel: 0, audioEnergy: 0 };
  const video = { ...track, kind: /** @type {const} */ ("video"), codec: "VP8", bitrate: 900_000, width: 640, height: 360 };
  const audio = { ...track, kind: /** @type {const} */ ("audio"), codec: "opus", bitrate: 32_000, width: 0, height: 0 };
  const statistics = { atMs: 1, roundTripMs: 4, transport: "udp", bitrate: 932_000, tracks: [video, audio] };
  assert.equal(sentTexts(statistics, BOTH)["fact-picture"], "640 × 360");
  assert.deepEqual(Object.values(sentTexts(statistics, { video: false, audio: true })), ["32 kbit/s", "–", "–", "4.0 ms", "opus"]);
  assert.deepEqual(new Set(Object.values(sentTexts(statistics, { video: false, audio: false }))), new Set(["–"]));
  assert.deepEqual(new Set(Object.values(sentTexts(null, BOTH))), new Set(["–"]));
});

test("what lasts less than a second is not shown, and good news is at once", () => {
  let state = steady("open");
  state = updateSteady(state, { value: "trying", good: false, nowMs: 0 });
  state = updateSteady(state, { value: "trying", good: false, nowMs: SHOWN_AFTER_MS - 1 });
  assert.equal(state.shown, "open");
  const back = updateSteady(state, { value: "open", good: true, nowMs: SHOWN_AFTER_MS - 1 });
  const again = updateSteady(back, { value: "trying", good: false, nowMs: SHOWN_AFTER_MS + 1 });
  assert.equal(again.shown, "open", "another break begins anew");
  const lasted = updateSteady(state, { value: "trying", good: false, nowMs: SHOWN_AFTER_MS });
  assert.equal(lasted.shown, "trying");
  assert.equal(updateSteady(lasted, { value: "open", good: true, nowMs: SHOWN_AFTER_MS + 1 }).shown, "open");
});

test("a path that is silent for a second is cut, and a picture that stands on a living path is told later", () => {
  const look = { frames: 5, nowMs: 0, silentMs: 0, expected: /** @type {const} */ ("some") };
  const first = updateMotion(null, look);
  assert.equal(updateMotion(first, { ...look, silentMs: 999, nowMs: 999 }).arriving, "flowing");
  assert.equal(updateMotion(first, { ...look, silentMs: 1000, nowMs: 1000 }).arriving, "cut");
  assert.equal(updateMotion(first, { ...look, nowMs: 2999 }).arriving, "flowing", "a shared screen has a frame a second");
  assert.equal(updateMotion(first, { ...look, nowMs: 3000 }).arriving, "standing");
  assert.equal(updateMotion(first, { ...look, nowMs: 1000, expected: "none" }).arriving, "standing", "the server knows that nothing comes");
  assert.equal(updateMotion(first, { ...look, nowMs: 9000, expected: "unknown" }).arriving, "flowing");
});

test("a stream that has ended is not one that has yet to begin", () => {
  const view = { source: null, tracks: [], over: false, arriving: /** @type {const} */ ("flowing") };
  assert.match(tileState(view, { pictured: false, wasLive: false }).message, /^Not live yet/);
  assert.match(tileState(view, { pictured: true, wasLive: true }).message, /ended/);
});

test("the meeting says why the others do not see one, with a way out", () => {
  const sent = true;
  const refused = (/** @type {string} */ code) => ({ ...initialBroadcast, phase: /** @type {const} */ ("refused"), problem: { code, message: "because" } });
  const live = { ...initialBroadcast, phase: /** @type {const} */ ("live") };
  assert.equal(ownNote({ own: live, capture: capture(...ON), trouble: "none", sent }), null);
  for (const code of ["stream_exists", "taken_over", "kicked", "no_codec", "bad_sdp"]) {
    const note = ownNote({ own: refused(code), capture: capture(...ON), trouble: "none", sent });
    assert.deepEqual(note?.ways.map(({ way }) => way), ["own"], code);
  }
  const lost = ownNote({ own: live, capture: capture(...ON, { type: "lost", source: "microphone" }), trouble: "none", sent });
  assert.match(lost?.title ?? "", /microphone is gone/);
  assert.deepEqual(lost?.ways.map(({ way }) => way), ["source", "accept"]);
});

test("the meeting says that the others see nothing while the server is full or away, and not while it begins", () => {
  const own = (/** @type {"starting" | "reconnecting" | "live"} */ phase, /** @type {string} */ code) => ({ phase, wasLive: phase !== "starting", problem: { code, message: "because" } });
  assert.equal(ownTrouble({ ...initialBroadcast, phase: "starting" }), "none");
  assert.equal(ownTrouble(own("starting", "disconnected")), "none", "the link says so itself");
  assert.equal(ownTrouble(own("starting", "unavailable")), "full");
  assert.equal(ownTrouble(own("starting", "no_path")), "away");
  assert.equal(ownTrouble(own("reconnecting", "disconnected")), "away");
  assert.equal(ownTrouble(own("live", "unavailable")), "none", "viewers are shown the old session");
  for (const trouble of /** @type {const} */ (["full", "away"])) {
    const note = ownNote({ own: own("reconnecting", "unavailable"), trouble, capture: capture(...ON), sent: true });
    assert.match(note?.title ?? "", /do not see you/);
  }
});

test("a picture is called by the name of a person, never by the id of a machine", () => {
  const source = (/** @type {string} */ stream, /** @type {string | null} */ name) => /** @type {Stream} */ ({ stream, publisher: "abcdef", name, since_ms: 0, tracks: [] });
  assert.equal(labelOf("guest-1234", source("guest-1234", "Ada")), "Ada");
  assert.equal(labelOf("guest-1234", source("guest-1234", null)), "Guest abcd", "as in the chat");
  assert.equal(labelOf("stage", source("stage", null)), "stage");
  const two = [source("guest-1234", "Ada"), source("guest-5678", "Ada")];
  assert.equal(labelOf("guest-5678", two[1] ?? null, two), "Ada (2)");
  const named = [source("guest-1234", "Ada"), source("slides", "Ada")];
  assert.equal(labelOf("slides", named[1] ?? null, named), "Ada · slides");
});
