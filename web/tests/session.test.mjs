// The life of a session, as a table of transitions.

import assert from "node:assert/strict";
import { test } from "node:test";

import { NOTHING, initialSession, updateSession } from "../client/state/session.js";

/** @import { SessionEvent, SessionState } from "../client/state/session.js" */

/**
 * @param {SessionEvent[]} events
 * @param {SessionState} [state]
 */
function after(events, state = initialSession) {
  return events.reduce(updateSession, state);
}

/** @type {SessionEvent[]} */
const TO_LIVE = [{ type: "start" }, { type: "answered", turn: 1, session: "a" }, { type: "peer", peer: "connected" }];
const live = after([...TO_LIVE, { type: "steady" }]);

/** @type {[string, SessionEvent, Partial<SessionState>][]} what happens to a live session */
const FROM_LIVE = [
  ["a disconnected path is in doubt, not lost", { type: "peer", peer: "disconnected" }, { phase: "shaky", session: "a" }],
  ["a failed path is answered with a new offer at once", { type: "peer", peer: "failed" }, { phase: "offering", session: null, old: "a" }],
  ["a change of tracks is offered", { type: "changed" }, { phase: "updating", session: "a", turn: 2 }],
  ["a stall is answered with a new offer at once", { type: "stalled" }, { phase: "offering", old: "a", oldFlows: false }],
  ["a dead worker is answered with a new offer at once", { type: "lost", reason: "worker_died" }, { phase: "offering", session: null }],
  ["a stream taken over is not taken back", { type: "lost", reason: "taken_over" }, { phase: "refused" }],
  ["a move is a new offer, and the old session goes on", { type: "moved" }, { phase: "offering", session: null, old: "a", oldFlows: true }],
  ["a session that outlived the link goes on untouched", { type: "link_up", lives: true }, { phase: "live", turn: 1 }],
  ["a session that did not outlive the link is offered anew", { type: "link_up", lives: false }, { phase: "offering", old: "a", oldFlows: true }],
  ["stopping ends it", { type: "stop" }, { phase: "ended" }],
];
for (const [claim, event, expected] of FROM_LIVE) {
  test(claim, () => {
    const next = updateSession(live, event);
    for (const [key, value] of Object.entries(expected)) assert.equal(next[/** @type {keyof SessionState} */ (key)], value, key);
  });
}

test("media may connect before the answer is acted on", () => {
  const state = after([{ type: "start" }, { type: "answered", turn: 1, session: "a" }]);
  assert.equal(state.phase, "connecting");
  assert.equal(after([{ type: "peer", peer: "connected" }], state).phase, "live");
});

test("a path in doubt that heals needs no offer", () => {
  const state = after([{ type: "peer", peer: "disconnected" }, { type: "peer", peer: "connected" }], live);
  assert.equal(state.phase, "live");
  assert.equal(state.turn, live.turn);
});

test("a path in doubt for too long restarts ICE", () => {
  const state = after([{ type: "peer", peer: "disconnected" }, { type: "impatient" }], live);
  assert.equal(state.phase, "restarting");
  assert.equal(state.session, "a");
});

test("what changes during an offer is offered right after it", () => {
  const state = after([{ type: "start" }, { type: "changed" }, { type: "answered", turn: 1, session: "a" }]);
  assert.equal(state.phase, "updating");
  assert.equal(state.stale, false);
});

test("a stream taken over is not taken back either when its path broke before the word of it came", () => {
  const broken = updateSession(live, { type: "peer", peer: "failed" });
  assert.deepEqual([broken.phase, broken.old], ["offering", "a"]);
  const told = updateSession(broken, { type: "old_ended", reason: "taken_over" });
  assert.deepEqual([told.phase, told.error?.code, told.old], ["refused", "taken_over", null]);
  const refused = updateSession(broken, { type: "failed", turn: broken.turn, error: problem("stream_exists") });
  assert.equal(updateSession(refused, { type: "old_ended", reason: "taken_over" }).error?.code, "taken_over");
  assert.equal(updateSession(broken, { type: "old_ended", reason: "moved" }).phase, "offering");
});

test("an answer to an older offer changes nothing", () => {
  const state = after([{ type: "start" }, { type: "failed", turn: 1, error: problem("timeout") }, { type: "due" }]);
  assert.equal(updateSession(state, { type: "answered", turn: 1, session: "old" }), state);
});

test("a name in use, and what a token does not allow, are final until started again", () => {
  for (const code of ["stream_exists", "forbidden", "token_expired"]) {
    const state = after([{ type: "start" }, { type: "failed", turn: 1, error: problem(code) }]);
    assert.equal(state.phase, "refused", code);
    assert.equal(updateSession(state, { type: "link_up", lives: false }), state);
    assert.equal(updateSession(state, { type: "start" }).phase, "offering");
  }
});

test("a full server is asked again after the pause that it named", () => {
  const state = after([{ type: "start" }, { type: "failed", turn: 1, error: problem("unavailable"), retryAfterMs: 900 }]);
  assert.equal(state.phase, "waiting");
  assert.equal(state.askedMs, 900);
});

test("a broken link during an update keeps the media and says the change later", () => {
  const broken = after([{ type: "changed" }, { type: "failed", turn: 2, error: problem("disconnected") }], live);
  assert.equal(broken.phase, "live");
  const back = updateSession(broken, { type: "link_up", lives: true });
  assert.equal(back.phase, "updating");
});

test("a session the server does not know is offered anew", () => {
  const state = after([{ type: "changed" }, { type: "failed", turn: 2, error: problem("no_such_session") }], live);
  assert.equal(state.phase, "offering");
  assert.equal(state.session, null);
});

test("a server that keeps losing sessions is asked with pauses", () => {
  const again = after([{ type: "lost", reason: "worker_died" }, { type: "answered", turn: 2, session: "b" }], live);
  const lost = updateSession(again, { type: "lost", reason: "worker_died" });
  assert.equal(lost.phase, "waiting");
  assert.equal(lost.attempts, 1);
});

test("the loss of the session before the last is old news", () => {
  const offering = updateSession(live, { type: "moved" });
  assert.equal(updateSession(offering, { type: "lost", reason: "taken_over" }), offering);
});

test("the old session is forgotten when the new one carries media", () => {
  const moving = after([{ type: "moved" }, { type: "answered", turn: 2, session: "b" }, { type: "peer", peer: "connected" }], live);
  assert.deepEqual([moving.phase, moving.session, moving.old], ["live", "b", "a"]);
  const moved = updateSession(moving, { type: "carries" });
  assert.deepEqual([moved.session, moved.old, moved.oldFlows], ["b", null, false]);
});

test("a second move during the first one keeps what is shown, and gives up what was on its way", () => {
  const first = after([{ type: "moved" }, { type: "answered", turn: 2, session: "b" }, { type: "peer", peer: "connected" }], live);
  const second = updateSession(first, { type: "moved" });
  assert.deepEqual([second.phase, second.session, second.old, second.oldFlows], ["offering", null, "a", true]);
});

test("a full server makes a move wait, and the old session goes on", () => {
  const state = after([{ type: "moved" }, { type: "failed", turn: 2, error: problem("unavailable"), retryAfterMs: 500 }], live);
  assert.deepEqual([state.phase, state.askedMs, state.old, state.oldFlows], ["waiting", 500, "a", true]);
  assert.equal(updateSession(state, { type: "old_ended" }).oldFlows, false);
});

test("sessions that die young are offered anew twice at once, then with pauses", () => {
  let state = live;
  const phases = [];
  for (const [n, session] of ["b", "c", "d"].entries()) {
    state = updateSession(state, { type: "stalled" });
    phases.push(state.phase);
    if (state.phase !== "offering") break;
    state = after([{ type: "answered", turn: state.turn, session }, { type: "peer", peer: "connected" }, { type: "carries" }], state);
    assert.equal(state.attempts, n + 1);
  }
  assert.deepEqual(phases, ["offering", "offering", "waiting"]);
});

test("a stall is no news while an offer is on its way", () => {
  const offering = updateSession(live, { type: "moved" });
  assert.equal(updateSession(offering, { type: "stalled" }), offering);
});

test("an offer with nothing to ask for is not made, and a later start makes one at once", () => {
  const idle = after([{ type: "stalled" }, { type: "failed", turn: 2, error: problem(NOTHING) }], live);
  assert.deepEqual([idle.phase, idle.old], ["idle", null]);
  assert.equal(updateSession(idle, { type: "start" }).phase, "offering");
});

test("nothing wakes an ended session", () => {
  const ended = updateSession(live, { type: "stop" });
  /** @type {SessionEvent[]} */
  const events = [{ type: "start" }, { type: "due" }, { type: "link_up", lives: true }, { type: "peer", peer: "connected" }];
  for (const event of events) assert.equal(updateSession(ended, event), ended);
});

/** @param {string} code */
function problem(code) {
  return { code, message: code };
}
