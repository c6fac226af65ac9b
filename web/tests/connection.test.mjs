// The link against a socket that the test plays, on the test's own clock.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Connection } from "../client/connection.js";
import { advance, install, settle } from "./clock.mjs";
import { FakeSocket } from "./socket.mjs";

/** @type {FakeSocket[]} */
let sockets = [];

beforeEach(() => {
  sockets = [];
  install();
});

/**
 * A window that the page may be left by.
 * @param {import("node:test").TestContext} t
 */
function withWindow(t) {
  const page = new EventTarget();
  const names = /** @type {const} */ (["addEventListener", "removeEventListener", "dispatchEvent"]);
  const before = names.map((name) => globalThis[name]);
  for (const name of names) Object.assign(globalThis, { [name]: page[name].bind(page) });
  t.after(() => names.forEach((name, i) => Object.assign(globalThis, { [name]: before[i] })));
}

/** @param {() => string[]} [sessions] */
function connect(sessions) {
  const link = new Connection({
    url: "ws://test/ws",
    room: "r",
    name: "n",
    sessions,
    random: () => 0,
    open: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
  });
  link.start();
  return link;
}

function last() {
  const socket = sockets.at(-1);
  assert.ok(socket);
  return socket;
}

function welcome() {
  last().onopen();
  last().say({ type: "welcome", id: 0, member: "m", resume: "secret", resumed: false, sessions: [], room: "r", streams: [], ice_servers: [] });
}

test("hello is the first message and names the room", () => {
  connect();
  last().onopen();
  const [hello] = last().sent;
  assert.equal(hello.type, "hello");
  assert.equal(hello.version, 1);
  assert.equal(hello.room, "r");
  assert.deepEqual(hello.sessions, []);
});

test("a reply finds its request, whatever comes in between", async () => {
  const link = connect();
  welcome();
  /** @type {unknown[]} */
  const events = [];
  link.on("event", (event) => events.push(event));
  const first = link.request("unwatch", { session: "a" });
  const second = link.request("unwatch", { session: "b" });
  const [, one, two] = last().sent;
  last().say({ type: "stream_removed", stream: "x" });
  last().say({ type: "done", id: two.id });
  last().say({ type: "done", id: one.id });
  assert.equal((await first).id, one.id);
  assert.equal((await second).id, two.id);
  assert.equal(events.length, 1);
});

test("an error reply rejects with the server's code and pause", async () => {
  const link = connect();
  welcome();
  const request = link.request("publish", {});
  last().say({ type: "error", id: last().sent[1].id, error: "unavailable", message: "full", retry_after_ms: 400 });
  await assert.rejects(request, { code: "unavailable", message: "full", retryAfterMs: 400 });
});

test("a request that is not answered within 10 s is over", async () => {
  const link = connect();
  welcome();
  const request = link.request("watch", {});
  advance(10_000);
  await assert.rejects(request, { code: "timeout" });
});

/** What was said, once the page may be left. @returns {string[]} */
function leave() {
  globalThis.dispatchEvent(new Event("beforeunload"));
  return last().sent.map((/** @type {any} */ message) => message.type);
}

test("a page that may be left says so, also while it waits to be let in, and not before it has said hello", (t) => {
  withWindow(t);
  connect();
  assert.deepEqual(leave(), []);
  last().onopen();
  assert.deepEqual(leave(), ["hello", "leaving"]);
  last().say({ type: "done", id: last().sent[1].id });
  last().welcome();
  assert.deepEqual(leave(), ["hello", "leaving", "leaving"]);
});

test("a page that stays takes back that it may be left a second after it said so last", (t) => {
  withWindow(t);
  connect();
  welcome();
  leave();
  advance(900);
  leave();
  advance(900);
  assert.equal(last().sent.length, 3);
  advance(100);
  assert.equal(last().sent.at(-1).type, "ping");
});

test("who leaves while it waits to be let in says that it does not come back", () => {
  const link = connect();
  last().onopen();
  link.close();
  assert.equal(last().code, 1000);
});

test("without a link a request fails at once instead of waiting", async () => {
  const link = connect();
  await assert.rejects(link.request("ping"), { code: "disconnected" });
});

test("a broken link fails what is open and comes back with resume and the living sessions", async () => {
  const link = connect(() => ["s1"]);
  welcome();
  const request = link.request("watch", {});
  last().onclose();
  await assert.rejects(request, { code: "disconnected" });
  assert.equal(link.state.phase, "waiting");
  advance(50);
  assert.equal(sockets.length, 2);
  last().onopen();
  const [hello] = last().sent;
  assert.equal(hello.resume, "secret");
  assert.deepEqual(hello.sessions, ["s1"]);
});

test("a server that stays away is tried again at once, then ever more rarely, five seconds apart at most", () => {
  connect();
  const pauses = [];
  for (let n = 0; n < 9; n++) {
    const before = sockets.length;
    last().onerror();
    let ms = 0;
    for (advance(0); sockets.length === before; ms++) advance(1);
    pauses.push(ms);
  }
  assert.deepEqual(pauses, [0, 250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
});

test("a server that is silent to a ping counts as gone", async () => {
  const link = connect();
  welcome();
  advance(15_000);
  assert.equal(last().sent.at(-1).type, "ping");
  const silent = last();
  advance(10_000);
  await settle();
  assert.equal(link.state.phase, "waiting");
  assert.ok(silent.closed);
  assert.equal(silent.code, undefined, "it may yet hear that, and must not take it for leaving");
});

test("a refused name is not tried again", () => {
  const link = connect();
  last().onopen();
  last().say({ type: "error", id: 0, error: "bad_name", message: "no" });
  assert.equal(link.state.phase, "closed");
  advance(60_000);
  assert.equal(sockets.length, 1);
});

test("a link that was left stays closed", () => {
  const link = connect();
  welcome();
  link.close();
  assert.equal(last().code, 1000, "the server need not wait for it to come back");
  advance(60_000);
  assert.equal(sockets.length, 1);
});

test("nonsense from the server is ignored", () => {
  const link = connect();
  welcome();
  last().onmessage({ data: "{" });
  last().onmessage({ data: new ArrayBuffer(4) });
  last().say({ type: "done", id: 999 });
  assert.equal(link.state.phase, "open");
});

test("a page that may be left now says so, and no more once it has left", async (t) => {
  /** @type {Map<string, () => void>} */
  const listeners = new Map();
  const window = { addEventListener: (/** @type {string} */ type, /** @type {() => void} */ run) => listeners.set(type, run), removeEventListener: (/** @type {string} */ type) => listeners.delete(type) };
  Object.assign(globalThis, window);
  t.after(() => Object.keys(window).forEach((name) => Reflect.deleteProperty(globalThis, name)));
  const link = connect();
  listeners.get("beforeunload")?.();
  await settle();
  assert.deepEqual(last().sent, [], "there is nobody yet to say it to");
  welcome();
  listeners.get("beforeunload")?.();
  assert.equal(last().sent.at(-1).type, "leaving");
  link.close();
  assert.equal(last().code, 1000);
  assert.deepEqual([...listeners.keys()], []);
});
