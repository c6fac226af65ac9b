// The smaller pure parts: pauses, the link, streams, subscriptions, stalls, tiles, layout.

import assert from "node:assert/strict";
import { test } from "node:test";

import { isName, parseFrame } from "../client/protocol.js";
import { pauseMs, retryMs } from "../client/state/backoff.js";
import { initialLink, updateLink } from "../client/state/link.js";
import { PUBLISHER_SILENT_MS_MIN, VIEWER_SILENT_MS_MIN, updatePulse } from "../client/state/pulse.js";
import { learnServers, round, socketUrl } from "../client/state/servers.js";
import { planSubscriptions, wantedSubscriptions } from "../client/state/slots.js";
import { STALL_MS_MIN, updateArrival } from "../client/state/stall.js";
import { noStreams, updateStreams } from "../client/state/streams.js";
import { initialBroadcast, updateBroadcast } from "../pages/state/broadcast.js";
import { initialCapture, updateCapture } from "../pages/state/capture.js";
import { tileWidth } from "../pages/state/layout.js";
import { updateSound } from "../pages/state/sound.js";
import { tileState } from "../pages/state/tile.js";

/** @import { Kind, Stream, Track } from "../client/protocol.js" */
/** @import { LinkEvent } from "../client/state/link.js" */

test("names follow the rule of the protocol", () => {
  for (const good of ["a", "Lobby_1", "x.y-z", "-", "a".repeat(64)]) assert.ok(isName(good), good);
  for (const bad of ["", ".hidden", "a b", "ä", "a/b", "a".repeat(65), "a\n"]) assert.ok(!isName(bad), bad);
});

test("a frame that is no message is nothing", () => {
  for (const bad of ["", "{", "null", "3", "[]", "{}", '{"type":3}', new ArrayBuffer(2)]) assert.equal(parseFrame(bad), null);
  assert.deepEqual(parseFrame('{"type":"pong","id":1}'), { type: "pong", id: 1 });
});

test("pauses double from a quarter second to five, less jitter", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 40].map((n) => pauseMs(n, 0)), [250, 500, 1000, 2000, 4000, 5000, 5000]);
  assert.equal(pauseMs(0, 1), 125);
  assert.equal(pauseMs(0, 0.5, 3000), 3000);
});

test("the link is tried again at once, then with those pauses", () => {
  assert.deepEqual([1, 2, 3, 4].map((n) => retryMs(n, 0)), [0, 250, 500, 1000]);
  assert.equal(retryMs(1, 1), 50);
  assert.equal(retryMs(1, 0, 900), 900);
});

test("the link greets, opens, and keeps its resume secret through a break", () => {
  /** @type {LinkEvent[]} */
  const events = [{ type: "opened" }, { type: "welcomed", resume: "s", server: "a" }, { type: "broken", error: oops }, { type: "due" }];
  const phases = [];
  let state = initialLink;
  for (const event of events) phases.push((state = updateLink(state, event)).phase);
  assert.deepEqual(phases, ["greeting", "open", "waiting", "connecting"]);
  assert.equal(state.resume, "s");
});

test("a link that breaks twice in a row counts both", () => {
  /** @type {LinkEvent[]} */
  const events = [{ type: "broken", error: oops }, { type: "broken", error: oops }, { type: "due" }, { type: "broken", error: oops }];
  assert.equal(events.reduce(updateLink, initialLink).attempts, 2);
});

test("a hello refused for good closes the link; a full server is tried again", () => {
  const greeting = updateLink(initialLink, { type: "opened" });
  assert.equal(updateLink(greeting, { type: "refused", error: { code: "bad_name", message: "" }, retryAfterMs: 0, server: "a" }).phase, "closed");
  const later = updateLink(greeting, { type: "refused", error: { code: "unavailable", message: "" }, retryAfterMs: 700, server: "a" });
  assert.equal(later.phase, "waiting");
  assert.equal(later.askedMs, 700);
});

const OWN = "ws://own/ws";

test("the page's own server is tried first, the one that broke last at the end", () => {
  const others = ["ws://a/ws", "ws://b/ws"];
  const calm = { own: OWN, others, refused: false, patient: false };
  assert.deepEqual(round({ ...calm, last: OWN }), [OWN, "ws://a/ws", "ws://b/ws"], "it may be a load balancer");
  assert.deepEqual(round({ ...calm, last: "ws://a/ws" }), [OWN, "ws://b/ws", "ws://a/ws"]);
  assert.deepEqual(round({ ...calm, last: OWN, refused: true }), ["ws://a/ws", "ws://b/ws", OWN]);
  assert.deepEqual(round({ ...calm, last: "ws://a/ws", patient: true }), ["ws://a/ws"]);
});

test("servers are learned once, keep their places, and leave with the list", () => {
  const learn = (/** @type {readonly string[]} */ known, /** @type {unknown[]} */ ...origins) => learnServers(known, { own: OWN, origins, random: () => 0 });
  const first = learn([], "http://own", "http://a", "http://b", "http://a/", 7, "::", "ftp://c");
  assert.deepEqual(first, ["ws://a/ws", "ws://b/ws"]);
  assert.deepEqual(learn(["ws://b/ws", "ws://a/ws"], "http://a", "http://b", "http://c"), ["ws://b/ws", "ws://a/ws", "ws://c/ws"]);
  assert.deepEqual(learn(first, "http://b"), ["ws://b/ws"]);
});

test("a secure page has no use for servers that are not", () => {
  const origins = ["http://a", "https://b"];
  assert.deepEqual(learnServers([], { own: "wss://own/ws", origins, random: () => 0 }), ["wss://b/ws"]);
  assert.equal(socketUrl("https://b:444/x?y"), "wss://b:444/x/ws");
});

test("streams are kept in the order they went live", () => {
  let streams = updateStreams(noStreams, { type: "stream_added", stream: stream("b", 2) });
  streams = updateStreams(streams, { type: "stream_added", stream: stream("a", 1) });
  streams = updateStreams(streams, { type: "stream_changed", stream: stream("b", 2, ["video"]) });
  assert.deepEqual([...streams.keys()], ["a", "b"]);
  assert.equal(streams.get("b")?.tracks.length, 1);
  streams = updateStreams(streams, { type: "stream_removed", stream: "a" });
  assert.deepEqual([...streams.keys()], ["b"]);
  assert.equal(updateStreams(streams, { type: "stream_removed", stream: "zz" }), streams);
});

test("a stream that a server just started has not been told of goes on until it is over", () => {
  const known = updateStreams(noStreams, { type: "welcome", ...GREETING, streams: [stream("a", 1), stream("b", 2), stream("c", 3)] });
  const told = updateStreams(known, { type: "welcome", ...GREETING, streams: [stream("b", 2, ["video"])], incomplete: true });
  assert.deepEqual([...told.keys()], ["a", "b", "c"]);
  assert.equal(told.get("b")?.tracks.length, 1, "what the server knows holds");
  assert.deepEqual([...updateStreams(told, { type: "stream_removed", stream: "a" }).keys()], ["b", "c"]);
  const all = updateStreams(told, { type: "streams", streams: ["b", "never-seen"] });
  assert.deepEqual([...all.keys()], ["b"], "once all nodes have spoken");
  assert.equal(updateStreams(all, { type: "streams", streams: ["b"] }), all);
});

test("every track of every stream gets a subscription, the first of a kind by its kind", () => {
  const streams = updateStreams(noStreams, { type: "stream_added", stream: stream("a", 1, ["audio", "video", "video"]) });
  assert.deepEqual(wantedSubscriptions(streams, "all").map((s) => s.track), ["audio", "video", "2"]);
});

test("a stream that is named but not live is waited for with a subscription of each kind", () => {
  assert.deepEqual(wantedSubscriptions(noStreams, ["later"]), [
    { kind: "video", stream: "later", track: "video" },
    { kind: "audio", stream: "later", track: "audio" },
  ]);
});

test("one's own stream gets no subscription", () => {
  const streams = updateStreams(noStreams, { type: "stream_added", stream: stream("a", 1, ["video"]) });
  assert.deepEqual(wantedSubscriptions(streams, "all", (s) => s.stream === "a"), []);
});

test("a stream that returns finds its subscription still there", () => {
  const { subscriptions } = planSubscriptions([], subscriptionsFor("a"));
  const gone = planSubscriptions(subscriptions, []);
  assert.equal(gone.subscriptions, subscriptions);
  assert.equal(planSubscriptions(gone.subscriptions, subscriptionsFor("a")).subscriptions, subscriptions);
});

test("another stream takes the subscription of one that is gone, kind for kind", () => {
  const { subscriptions } = planSubscriptions([], subscriptionsFor("a"));
  const next = planSubscriptions(subscriptions, subscriptionsFor("b")).subscriptions;
  assert.equal(next.length, 2);
  assert.deepEqual(next, subscriptionsFor("b"));
});

test("a subscription that is wanted never moves", () => {
  const { subscriptions } = planSubscriptions([], [...subscriptionsFor("a"), ...subscriptionsFor("b")]);
  const next = planSubscriptions(subscriptions, [...subscriptionsFor("b"), ...subscriptionsFor("c")]).subscriptions;
  assert.deepEqual(next, [...subscriptionsFor("c"), ...subscriptionsFor("b")]);
});

test("streams beyond the last subscription are named, not dropped in silence", () => {
  const { subscriptions, over } = planSubscriptions([], [...subscriptionsFor("a"), ...subscriptionsFor("b")], 2);
  assert.equal(subscriptions.length, 2);
  assert.deepEqual(over, ["b"]);
});

test("silence is a stall only when the server says that media flows", () => {
  const first = updateArrival(null, { packets: 10, nowMs: 0, expected: true });
  const late = STALL_MS_MIN + 1;
  assert.equal(updateArrival(first, { packets: 10, nowMs: late, expected: true }).stalled, true);
  assert.equal(updateArrival(first, { packets: 10, nowMs: late, expected: false }).stalled, false);
  assert.equal(updateArrival(first, { packets: 11, nowMs: late, expected: true }).stalled, false);
});

test("a stream that is usually slow may be silent for longer", () => {
  let arrival = updateArrival(null, { packets: 0, nowMs: 0, expected: true });
  for (let n = 1; n <= 20; n++) arrival = updateArrival(arrival, { packets: n, nowMs: n * 1000, expected: true });
  assert.equal(updateArrival(arrival, { packets: 20, nowMs: 23_000, expected: true }).stalled, false);
  assert.equal(updateArrival(arrival, { packets: 20, nowMs: 24_001, expected: true }).stalled, true);
});

/**
 * A path over which something comes each 50 ms, until it dies.
 * @param {{everyMs: number, silentMsMin: number}} options
 * @returns {number} ms from the last sign of life to the verdict, looking each 60 ms
 */
function silentAfter({ everyMs, silentMsMin }) {
  let pulse = null;
  const diesMs = 6000;
  for (let atMs = 0; atMs < 20_000; atMs += 60) {
    pulse = updatePulse(pulse, { count: Math.floor(Math.min(atMs, diesMs) / everyMs), atMs, silentMsMin });
    if (pulse.silent) return atMs - diesMs;
  }
  return Infinity;
}

test("a dead path is known after 250 ms by a viewer and 500 ms by a publisher, and a slow one is given longer", () => {
  const viewer = silentAfter({ everyMs: 20, silentMsMin: VIEWER_SILENT_MS_MIN });
  assert.ok(viewer >= 240 && viewer <= 360, `${viewer} ms`);
  const publisher = silentAfter({ everyMs: 100, silentMsMin: PUBLISHER_SILENT_MS_MIN });
  assert.ok(publisher >= 440 && publisher <= 600, `${publisher} ms`);
  const slow = silentAfter({ everyMs: 1000, silentMsMin: VIEWER_SILENT_MS_MIN });
  assert.ok(slow >= 3000 && slow < 5000, `${slow} ms`);
});

test("a machine that slept does not take the first look after it for silence", () => {
  let pulse = null;
  for (let n = 0; n < 10; n++) pulse = updatePulse(pulse, { count: n, atMs: n * 60, silentMsMin: 250 });
  pulse = updatePulse(pulse, { count: 9, atMs: 60_000, silentMsMin: 250 });
  assert.equal(pulse.silent || pulse.late, false);
  pulse = updatePulse(pulse, { count: 10, atMs: 60_060, silentMsMin: 250 });
  assert.equal(updatePulse(pulse, { count: 10, atMs: 60_120, silentMsMin: 250 }).silent, false);
});

test("a path that dies right after it began is measured by what its server promised", () => {
  const silentMsMin = PUBLISHER_SILENT_MS_MIN;
  const verdictMs = (/** @type {number[]} */ counts, /** @type {number} */ promisedMs) => {
    let pulse = null;
    for (let n = 0; n < 100; n++) {
      pulse = updatePulse(pulse, { count: counts[n] ?? counts.at(-1) ?? 0, atMs: n * 60, silentMsMin, promisedMs });
      if (pulse.silent) return n * 60;
    }
    return Infinity;
  };
  assert.equal(verdictMs([1, 2], 0), Infinity, "moved once: unknown");
  const once = verdictMs([1, 2], 100);
  assert.ok(once >= 500 && once <= 660, `${once} ms`);
  const never = verdictMs([1], 100);
  assert.ok(never >= 800 && never <= 900, `${never} ms`);
});

test("a path over which nothing came yet is judged by others", () => {
  let pulse = updatePulse(null, { count: 0, atMs: 0, silentMsMin: 250 });
  for (let n = 1; n < 100; n++) pulse = updatePulse(pulse, { count: 0, atMs: n * 60, silentMsMin: 250 });
  assert.equal(pulse.silent, false);
});

test("a tile says why it shows no picture", () => {
  const source = stream("a", 1, ["audio", "video"]);
  const face = (/** @type {Partial<Parameters<typeof tileState>[0]>} */ view, pictured = true) =>
    tileState({ source, tracks: [], over: false, arriving: "flowing", ...view }, { pictured, wasLive: false }).face;
  assert.equal(face({}), "playing");
  assert.equal(face({}, false), "starting");
  assert.equal(face({ source: null }), "gone");
  assert.equal(face({ over: true }), "over");
  assert.equal(face({ source: stream("a", 1, ["audio"]) }), "sound");
  assert.equal(face({ source: withVideo({ muted: true }) }), "off");
  assert.equal(face({ source: withVideo({ active: false }) }), "playing", "what just stopped is not told yet");
  assert.equal(face({ arriving: "standing" }), "quiet");
  assert.equal(face({ arriving: "cut" }), "broken");
  assert.equal(face({ tracks: [{ kind: "video", mid: "1", state: "unsupported", message: "no" }] }), "unsupported");
});

test("tiles are as wide as lets all of them fit", () => {
  assert.equal(tileWidth(1, 1600, 900, 0), 1600);
  assert.equal(tileWidth(4, 1600, 900, 0), 800);
  assert.equal(tileWidth(1, 1600, 450, 0), 800);
  assert.equal(tileWidth(60, 1200, 300, 0), 150, "rather scroll than shrink");
});

test("on an upright phone tiles fill the width, alone or in two columns", () => {
  const width = 370;
  for (const height of [300, 520, 700]) {
    for (let count = 1; count <= 12; count++) assert.ok([370, 181].includes(tileWidth(count, width, height, 8)), `${count} in ${height}`);
  }
  assert.equal(tileWidth(2, width, 700, 8), 370);
  assert.equal(tileWidth(6, width, 700, 8), 181);
});

test("sound that the browser refuses waits for a click", () => {
  const blocked = updateSound("on", "refused");
  assert.equal(blocked, "blocked");
  assert.equal(updateSound(blocked, "toggled"), "on");
  assert.equal(updateSound("off", "refused"), "off");
});

test("a camera that answers late, after another was asked for, is not taken", () => {
  const asked = updateCapture(updateCapture(initialCapture, { type: "ask", from: "camera" }), { type: "ask", from: "screen" });
  assert.equal(updateCapture(asked, { type: "got", turn: 1, kinds: [] }), asked);
  assert.equal(updateCapture(asked, { type: "got", turn: 2, kinds: [] }).phase, "on");
});

test("a broadcast that was live reconnects, one that was not is still starting", () => {
  const session = { phase: /** @type {const} */ ("waiting"), session: null, old: null, oldFlows: false, peer: /** @type {const} */ ("new"), attempts: 1, turn: 1, stale: false, askedMs: 0, error: oops };
  const started = updateBroadcast(initialBroadcast, { type: "go" });
  assert.equal(updateBroadcast(started, { type: "session", session }).phase, "starting");
  const live = updateBroadcast(started, { type: "session", session: { ...session, phase: "live", error: null } });
  assert.equal(updateBroadcast(live, { type: "session", session }).phase, "reconnecting");
  assert.equal(updateBroadcast(live, { type: "session", session: { ...session, old: "a", oldFlows: true } }).phase, "live", "a move shows nothing");
});

const oops = { code: "disconnected", message: "gone" };

/**
 * @param {string} name
 * @param {number} since
 * @param {Kind[]} kinds
 * @returns {Stream}
 */
function stream(name, since, kinds = []) {
  const tracks = kinds.map((kind, n) => ({ mid: String(n), kind, codec: kind === "audio" ? "opus" : "vp8", active: true, muted: false }));
  return { stream: name, publisher: null, name: null, since_ms: since, tracks };
}

/** @param {Partial<Track>} change */
function withVideo(change) {
  const source = stream("a", 1, ["audio", "video"]);
  return { ...source, tracks: source.tracks.map((t) => (t.kind === "video" ? { ...t, ...change } : t)) };
}

/** @param {string} name */
function subscriptionsFor(name) {
  return [
    { kind: /** @type {const} */ ("audio"), stream: name, track: "audio" },
    { kind: /** @type {const} */ ("video"), stream: name, track: "video" },
  ];
}

/** What a welcome says besides the streams. */
const GREETING = { member: "m", resume: "r", resumed: true, sessions: [], room: "room", ice_servers: [] };
