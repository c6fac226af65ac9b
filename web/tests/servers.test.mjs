// Coming back through any server of a cluster, against sockets that the test plays, on the test's own clock.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Connection } from "../client/connection.js";
import { homeOf, socketUrl } from "../client/state/servers.js";
import { advance, install, settle } from "./clock.mjs";
import { FakeSocket } from "./socket.mjs";

const OWN = "ws://own/ws";
const A = "ws://a/ws";
const B = "ws://b/ws";

/** @type {FakeSocket[]} */
let sockets = [];
let mediaFlows = false;

beforeEach(() => {
  sockets = [];
  mediaFlows = false;
  install();
});

/** A link that is open at its own server and knows two others. */
function connected() {
  const link = new Connection({
    url: OWN,
    room: "r",
    random: () => 0,
    mediaFlows: () => mediaFlows,
    open: (url) => {
      const socket = new FakeSocket(url);
      sockets.push(socket);
      return socket;
    },
  });
  link.start();
  at(0).onopen();
  at(0).welcome({ servers: ["http://own", "http://a", "http://b"] });
  return link;
}

/** @param {number} n */
function at(n) {
  const socket = sockets.at(n);
  assert.ok(socket, `there is no socket ${n}`);
  return socket;
}

/** @param {number} [from] */
function urls(from = 1) {
  return sockets.slice(from).map((s) => s.url);
}

test("a link that broke is tried again at once, and each server that refuses gives way to the next", () => {
  const link = connected();
  at(0).onclose();
  advance(0);
  assert.deepEqual(urls(), [OWN]);
  at(1).onerror();
  assert.deepEqual(urls(), [OWN, A]);
  at(2).onopen();
  assert.equal(at(2).sent[0].resume, "secret");
  at(2).welcome();
  assert.equal(link.state.phase, "open");
  assert.equal(link.state.server, A);
});

test("a server that says nothing at all holds up the next one by 150 ms only", () => {
  const link = connected();
  at(0).onclose();
  advance(149);
  assert.deepEqual(urls(), [OWN]);
  advance(1);
  assert.deepEqual(urls(), [OWN, A]);
  at(2).onopen();
  at(2).welcome();
  assert.equal(link.state.phase, "open");
  assert.ok(at(1).closed, "the other attempt is given up");
  advance(5000);
  assert.equal(sockets.length, 3);
});

test("only one server is greeted at a time, and one that opened meanwhile is greeted when the first is silent", () => {
  const link = connected();
  at(0).onclose();
  advance(150);
  at(1).onopen();
  at(2).onopen();
  assert.equal(at(1).sent.length, 1);
  assert.equal(at(2).sent.length, 0);
  advance(1000);
  assert.ok(at(1).closed);
  assert.equal(at(2).sent.length, 1);
  at(2).welcome();
  assert.equal(link.state.server, A);
});

test("servers that are all away are tried in rounds with growing pauses", () => {
  connected();
  at(0).onclose();
  advance(0);
  for (let n = 1; n <= 3; n++) at(n).onerror();
  assert.deepEqual(urls(), [OWN, A, B]);
  advance(249);
  assert.equal(sockets.length, 4);
  advance(1);
  for (let n = 4; n <= 6; n++) at(n).onerror();
  assert.deepEqual(urls(4), [OWN, A, B]);
  advance(499);
  assert.equal(sockets.length, 7);
});

test("servers that do not answer are given up within seconds, all of them", () => {
  const link = connected();
  at(0).onclose();
  advance(150 + 150 + 800);
  assert.deepEqual(urls(), [OWN, A, B]);
  assert.equal(link.state.phase, "waiting");
});

test("a full server is not final while another one has a place", () => {
  const link = connected();
  at(0).onclose();
  advance(0);
  at(1).onopen();
  at(1).say({ type: "error", id: 0, error: "unavailable", message: "full", retry_after_ms: 2000 });
  assert.equal(at(2).url, A);
  at(2).onopen();
  at(2).welcome();
  assert.equal(link.state.phase, "open");
});

test("a server that let nobody in is tried last in the next round, after the pause that it named", () => {
  connected();
  at(0).onclose();
  advance(0);
  at(1).onopen();
  at(1).say({ type: "error", id: 0, error: "unavailable", message: "full", retry_after_ms: 2000 });
  at(2).onerror();
  at(3).onerror();
  advance(1999);
  assert.equal(sockets.length, 4);
  advance(1);
  assert.equal(at(4).url, A);
});

test("what is final for one server is final for all", () => {
  const link = connected();
  at(0).onclose();
  advance(0);
  at(1).onopen();
  at(1).say({ type: "error", id: 0, error: "unauthorized", message: "no" });
  assert.equal(link.state.phase, "closed");
  advance(60_000);
  assert.equal(sockets.length, 2);
});

test("while all media flows, signaling that died gets about a second to come back before others are asked", () => {
  connected();
  mediaFlows = true;
  at(0).onclose();
  advance(750);
  assert.deepEqual(urls(), [OWN]);
  advance(500);
  assert.deepEqual(urls(), [OWN, OWN, A, B]);
});

test("a server that refuses the connection is gone for good, media or not: others are asked at once", () => {
  connected();
  mediaFlows = true;
  at(0).onclose();
  advance(0);
  at(1).onerror();
  at(2).onerror();
  assert.deepEqual(urls(), [OWN, OWN, A]);
});

test("media that stops meanwhile ends that patience", () => {
  const link = connected();
  mediaFlows = true;
  at(0).onclose();
  advance(0);
  mediaFlows = false;
  link.check();
  at(2).onerror();
  assert.ok(at(1).closed);
  assert.deepEqual(urls(), [OWN, OWN, A]);
});

test("media that stops during a pause ends the pause", () => {
  const link = connected();
  at(0).onclose();
  advance(0);
  for (let n = 1; n <= 3; n++) at(n).onerror();
  link.check();
  assert.equal(sockets.length, 5);
});

test("a server that does not answer within 200 ms after media stopped is left at once", async () => {
  const link = connected();
  link.check();
  link.check();
  assert.deepEqual(at(0).sent.slice(1).map((m) => m.type), ["ping"]);
  advance(199);
  await settle();
  assert.equal(link.state.phase, "open");
  advance(1);
  await settle();
  assert.ok(at(0).closed);
  advance(0);
  assert.deepEqual(urls(), [OWN, A, B], "and nobody waits for it to take the next call");
});

test("a server that was asked when media was late is left as soon as media has stopped", async () => {
  const link = connected();
  link.suspect();
  link.suspect();
  assert.deepEqual(at(0).sent.slice(1).map((m) => m.type), ["ping"]);
  advance(1000);
  await settle();
  assert.equal(link.state.phase, "open", "being late is not enough");
  link.check();
  advance(0);
  await settle();
  assert.ok(at(0).closed);
});

test("an answer to that is the answer also to the question whether the server is there", async () => {
  const link = connected();
  link.suspect();
  at(0).say({ type: "pong", id: at(0).sent[1].id });
  await settle();
  link.check();
  assert.equal(at(0).sent.length, 3, "a later question is a new one");
  at(0).say({ type: "pong", id: at(0).sent[2].id });
  await settle();
  advance(5000);
  assert.equal(link.state.phase, "open");
});

test("a server that answers after media stopped is kept", async () => {
  const link = connected();
  link.check();
  at(0).say({ type: "pong", id: at(0).sent[1].id });
  await settle();
  advance(5000);
  assert.equal(link.state.phase, "open");
});

test("another name is told with a new hello, and nothing happens for the same one", () => {
  const link = connected();
  link.rename("");
  assert.equal(sockets.length, 1);
  link.rename("Ada");
  advance(0);
  at(1).onopen();
  assert.equal(at(1).sent[0].name, "Ada");
});

test("a server that is shown below a path has its WebSocket there, too", () => {
  for (const [base, url] of [
    ["https://media.example", "wss://media.example/ws"],
    ["http://media.example:8080/", "ws://media.example:8080/ws"],
    ["https://media.example/live/", "wss://media.example/live/ws"],
    ["https://media.example/a/b?x#y", "wss://media.example/a/b/ws"],
    ["file:///somewhere", null],
    ["no address", null],
  ]) assert.equal(socketUrl(/** @type {string} */ (base)), url);
});

test("a module tells where its server is, unless it is a copy that is kept elsewhere", () => {
  assert.equal(homeOf("https://media.example/assets/client/room.js"), "https://media.example");
  assert.equal(homeOf("https://media.example/live/assets/pages/address.js"), "https://media.example/live");
  assert.equal(homeOf("https://media.example/assets/assets/client/room.js"), "https://media.example/assets");
  assert.equal(homeOf("https://site.example/scripts/room.js"), null);
  assert.equal(homeOf("file:///srv/assets/client/room.js"), null);
});
