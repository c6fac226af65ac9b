// Who speaks in a room.

import assert from "node:assert/strict";
import { test } from "node:test";

import { nobodySpeaks, updateSpeaking } from "../client/state/speaking.js";

test("who speaks is known until they fall silent, leave, or the page begins anew", () => {
  const says = (/** @type {string} */ stream, speaking = true) => /** @type {const} */ ({ type: "speaking", stream, speaking });
  const two = [says("a"), says("b"), says("a")].reduce(updateSpeaking, nobodySpeaks);
  assert.deepEqual([...two], ["a", "b"]);
  assert.equal(updateSpeaking(two, says("c", false)), two, "the same when nothing changed");
  assert.deepEqual([...updateSpeaking(two, says("a", false))], ["b"]);
  assert.deepEqual([...updateSpeaking(two, { type: "stream_removed", stream: "b" })], ["a"]);
  const welcome = /** @type {import("../client/protocol.js").Welcome} */ ({ type: "welcome" });
  assert.deepEqual([...updateSpeaking(two, welcome)], []);
});
