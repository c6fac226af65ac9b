// The session's timers and the order of its offers, on the test's own clock.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

/** @import { SessionState } from "../client/state/session.js" */

import { RequestError } from "../client/protocol.js";
import { Session } from "../client/session.js";
import { advance, install, settle } from "./clock.mjs";

beforeEach(install);

/** @param {(kind: string, asked: SessionState, withinMs: number) => Promise<string>} negotiate */
function session(negotiate) {
  return new Session({ negotiate, random: () => 0 });
}

test("offers of one session never overlap", async () => {
  let open = 0;
  let most = 0;
  /** @type {(() => void)[]} */
  const answers = [];
  const s = session(async () => {
    most = Math.max(most, ++open);
    await new Promise((done) => answers.push(() => done(undefined)));
    open -= 1;
    return "a";
  });
  s.dispatch({ type: "start" });
  await settle();
  s.dispatch({ type: "changed" });
  s.dispatch({ type: "changed" });
  answers.shift()?.();
  await settle();
  answers.shift()?.();
  await settle();
  assert.equal(most, 1);
  assert.equal(answers.length, 0, "two changes during an offer are one offer more");
});

test("a path that does not come up within 10 s is offered anew", async () => {
  /** @type {string[]} */
  const kinds = [];
  const s = session(async (kind) => (kinds.push(kind), "a"));
  s.dispatch({ type: "start" });
  await settle();
  advance(10_000);
  assert.equal(s.state.phase, "waiting");
  advance(250);
  await settle();
  assert.deepEqual(kinds, ["fresh", "fresh"]);
});

test("a disconnected path gets two seconds before ICE restarts", async () => {
  /** @type {string[]} */
  const kinds = [];
  const s = session(async (kind) => (kinds.push(kind), "a"));
  s.dispatch({ type: "start" });
  await settle();
  s.dispatch({ type: "peer", peer: "connected" });
  s.dispatch({ type: "peer", peer: "disconnected" });
  advance(1999);
  assert.equal(s.state.phase, "shaky");
  advance(1);
  await settle();
  assert.deepEqual(kinds, ["fresh", "restart"]);
});

test("the pause that the server asked for is kept", async () => {
  let calls = 0;
  const s = session(async () => {
    calls += 1;
    throw new RequestError("unavailable", "full", 3000);
  });
  s.dispatch({ type: "start" });
  await settle();
  advance(2999);
  await settle();
  assert.equal(calls, 1);
  advance(1);
  await settle();
  assert.equal(calls, 2);
});

test("a browser that fails to make an offer is tried again", async () => {
  let calls = 0;
  const s = session(async () => {
    calls += 1;
    if (calls === 1) throw new TypeError("no");
    return "a";
  });
  s.dispatch({ type: "start" });
  await settle();
  assert.equal(s.state.error?.code, "browser");
  advance(250);
  await settle();
  assert.equal(s.state.phase, "connecting");
});

test("an offer that was overtaken while it waited for its turn is not made", async () => {
  /** @type {string[]} */
  const kinds = [];
  /** @type {(() => void)[]} */
  const answers = [];
  const s = session(async (kind) => {
    kinds.push(kind);
    await new Promise((done) => answers.push(() => done(undefined)));
    return "a";
  });
  s.dispatch({ type: "start" });
  await settle();
  s.dispatch({ type: "failed", turn: 1, error: { code: "timeout", message: "" } });
  advance(250);
  s.dispatch({ type: "stop" });
  answers.shift()?.();
  await settle();
  assert.deepEqual(kinds, ["fresh"]);
});

test("an offer in place of a dead session gets less time for its answer and its path, and more with each try", async () => {
  /** @type {number[]} */
  const within = [];
  const s = session(async (_, __, withinMs) => (within.push(withinMs), "a"));
  s.dispatch({ type: "start" });
  await settle();
  s.dispatch({ type: "peer", peer: "connected" });
  advance(5000);
  s.dispatch({ type: "stalled" });
  await settle();
  advance(2499);
  assert.equal(s.state.phase, "connecting");
  advance(1);
  assert.equal(s.state.phase, "waiting");
  advance(250);
  await settle();
  assert.deepEqual(within, [10_000, 1500, 3000]);
  advance(4999);
  assert.equal(s.state.phase, "connecting");
});

test("media that flowed for half a second makes the next loss the first one", async () => {
  const s = session(async () => "a");
  s.dispatch({ type: "start" });
  await settle();
  s.dispatch({ type: "peer", peer: "connected" });
  advance(499);
  assert.equal(s.state.attempts, 1);
  advance(1);
  assert.equal(s.state.attempts, 0);
});
