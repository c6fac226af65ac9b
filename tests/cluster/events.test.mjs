// Events as they leave the process: a real receiver of webhooks and a listener on the admin listener are told all that
// there are, in order.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { until } from "../browser/harness/until.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { offer } from "./harness/offer.mjs";
import { EventStream, Receiver } from "./harness/receiver.mjs";
import { Wire } from "./harness/wire.mjs";

/** @typedef {import("./harness/receiver.mjs").Told} Told */

/** Tracks of the same stream come and go together. @param {Told[]} told */
function kinds(told) {
  return told.map(({ type }) => type).filter((type, at, all) => type !== all[at - 1]);
}

describe("events", () => {
  /** @type {Cluster} */
  let cluster;
  const receiver = new Receiver();
  const listener = new EventStream();
  before(async () => {
    cluster = new Cluster({});
    await cluster.nats.start();
    await receiver.start();
    cluster.alsoEnd(() => receiver.end());
    const folder = await mkdtemp(path.join(tmpdir(), "chappe-events-"));
    cluster.alsoEnd(() => rm(folder, { recursive: true, force: true }));
    const secrets = path.join(folder, "secrets");
    await writeFile(secrets, `whsec_${receiver.secret}\n`);
    const hooks = ["--webhook", receiver.url, "--webhook-secrets", secrets, "--webhook-state", path.join(folder, "state")];
    await cluster.make({ workers: 1, args: hooks }).start();
    await listener.open(cluster.node(1).admin);
    cluster.alsoEnd(() => listener.end());
  });
  after(() => cluster?.end());

  /** @param {string} type */
  const areTold = (type) =>
    until(`both are told ${type}`, () => [receiver, listener].every(({ told }) => told.some((event) => event.type === type)));

  test("what happens in a room is told from its first client to its last, in order", async () => {
    const page = await Wire.join(cluster.node(1), { room: "told", name: "Ada" });
    const { session } = await page.ask("publish", { stream: "cam", sdp: offer("sendonly") });
    const moved = await page.ask("publish", { stream: "cam", sdp: offer("sendonly"), instead_of: session });
    await page.ask("unpublish", { session: moved.session });
    page.leave();
    await areTold("room_finished");
    const expected = ["room_started", "participant_joined", "track_published", "stream_moved", "track_unpublished", "participant_left", "room_finished"];
    for (const { told } of [receiver, listener]) {
      const ofRoom = told.filter(({ data }) => data.room === "told");
      assert.deepEqual(kinds(ofRoom), expected);
      const [joined, moves] = ["participant_joined", "stream_moved"].map((type) => ofRoom.find((event) => event.type === type)?.data);
      assert.deepEqual(joined.participant, { id: page.welcome.member, name: "Ada", kind: "page" });
      assert.deepEqual([moves.stream, moves.from.node, moves.to.node], ["cam", "node-1", "node-1"]);
      assert.ok(ofRoom.every(({ data }) => data.node === "node-1"));
    }
  });

  test("workers that die, and nodes that come and go", async () => {
    await cluster.node(1).killWorker(0);
    await areTold("worker_died");
    const other = cluster.make({ workers: 1 });
    await other.start();
    await areTold("node_joined");
    await other.kill();
    await areTold("node_left");
    for (const { told } of [receiver, listener]) {
      const ofNone = told.filter(({ data }) => data.room === undefined);
      assert.deepEqual(kinds(ofNone), ["worker_died", "node_joined", "node_left"]);
      assert.equal(ofNone[0]?.data.worker, 0);
      assert.deepEqual(ofNone.slice(1).map(({ data }) => data.node), ["node-2", "node-2"]);
    }
  });

  test("both are told the same, once, under ids of their own and by nobody else", () => {
    const ids = receiver.told.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    assert.deepEqual([...ids].sort(), listener.told.map(({ id }) => id).sort());
    assert.deepEqual(receiver.trouble, []);
    assert.equal(new Set(receiver.told.map(({ type }) => type)).size, 10);
  });
});
