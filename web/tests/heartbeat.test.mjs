// Claims about when a page takes a media path for dead, against a peer connection that counts what the test says.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Heartbeat } from "../client/media/heartbeat.js";
import { advance, install, settle } from "./clock.mjs";

/** A look takes place at least this often. */
const LOOK_MS_MAX = 150;

test("a path that was found dead does not beat until something is heard of it again", async () => {
  install();
  let [packets, atMs, late, silent] = [0, 0, 0, 0];
  const report = () => new Map([["t", { type: "transport", packetsReceived: packets, timestamp: atMs }]]);
  const pc = { getTransceivers: () => [], getStats: async () => report() };
  const peer = /** @type {any} */ ({ pc });
  const heartbeat = new Heartbeat({ subject: () => peer, silentMsMin: 250, onLate: () => (late += 1), onSilent: () => (silent += 1) });
  const look = async (/** @type {number} */ more) => {
    packets += more;
    atMs += LOOK_MS_MAX;
    advance(LOOK_MS_MAX);
    await settle();
  };
  await look(1);
  assert.ok(!heartbeat.beats, "one look says nothing");
  for (let n = 0; n < 5; n++) await look(1);
  assert.ok(heartbeat.beats);
  assert.equal(late, 0);
  await look(0);
  await look(0);
  assert.deepEqual({ late: late > 0, silent }, { late: true, silent: 0 }, "it is late before it is dead");
  for (let n = 0; n < 5 && silent === 0; n++) await look(0);
  assert.equal(silent, 1);
  for (let n = 0; n < 5; n++) {
    assert.ok(!heartbeat.beats, `look ${n} after it was found dead`);
    await look(0);
  }
  await look(1);
  assert.ok(heartbeat.beats);
  heartbeat.end();
});
