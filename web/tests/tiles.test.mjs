// Claims about what the server is told of a page's tiles.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Tiles } from "../client/media/tiles.js";
import { advance, install, settle } from "./clock.mjs";

const STAYED_MS = 200;
const video = /** @type {const} */ ("video");
const audio = /** @type {const} */ ("audio");
/** @param {string} session */
const peer = (session) => ({
  session,
  subscriptions: [{ stream: "anna", kind: video }, { stream: "anna", kind: audio }, { stream: "bert", kind: video }, { stream: "carl", kind: video }],
  transceivers: [{ mid: "0" }, { mid: "1" }, { mid: "2" }, { mid: null }],
  slots: new Map(["0", "1", "2"].map((mid) => [mid, {}])),
});
const watching = [peer("s1"), null];

function scene(answer = async () => {}) {
  install();
  /** @type {{session: string, tiles: object[]}[]} */
  const told = [];
  const tiles = new Tiles(async (session, list) => {
    told.push({ session, tiles: list });
    await answer();
  });
  return { tiles, told };
}

test("a tile is told once its size has stayed for a moment, for its video alone", () => {
  const { tiles, told } = scene();
  tiles.follow(watching);
  for (const width of [100, 200, 300.4]) {
    tiles.show("anna", { width, height: 180, visible: true });
    advance(50);
  }
  assert.equal(told.length, 0);
  advance(STAYED_MS);
  assert.deepEqual(told, [{ session: "s1", tiles: [{ mid: "0", width: 300, height: 180, visible: true, pinned: false }] }]);
});

test("what was told already is not told again, and a new session is told everything", () => {
  const { tiles, told } = scene();
  tiles.follow(watching);
  tiles.show("bert", { width: 100, height: 100, visible: false });
  advance(STAYED_MS);
  tiles.follow(watching);
  tiles.show("bert", { width: 100, height: 100, visible: false });
  advance(STAYED_MS);
  assert.equal(told.length, 1);
  assert.ok(tiles.hides("bert") && !tiles.hides("anna"));
  tiles.follow([...watching, peer("s2")]);
  advance(STAYED_MS);
  assert.deepEqual(told.map(({ session }) => session), ["s1", "s2"]);
});

test("a page that says nothing of its tiles tells nothing", () => {
  const { tiles, told } = scene();
  tiles.follow(watching);
  advance(STAYED_MS);
  assert.equal(told.length, 0);
});

test("what did not get there is told with the next change", async () => {
  const { tiles, told } = scene(() => Promise.reject(new Error("disconnected")));
  tiles.follow(watching);
  tiles.show("anna", { width: 100, height: 100, visible: true });
  advance(STAYED_MS);
  await settle();
  tiles.follow(watching);
  advance(STAYED_MS);
  assert.equal(told.length, 2);
});
