// A cluster that is upgraded node by node: neighbouring minor versions work together, others stay apart. There is no second
// release yet, so both nodes are this program, and one is taken for another version (harness/disguise.mjs): who may join
// whom is tested here, but not what two programs would understand differently in each other's messages.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { picturesMove } from "../browser/harness/observe.mjs";
import { until } from "../browser/harness/until.mjs";
import { Clients, totals } from "./harness/clients.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { Disguise, versionAway } from "./harness/disguise.mjs";
import { answer } from "./harness/http.mjs";
import { Stage, close, videoOf } from "./harness/stage.mjs";
import { Wire } from "./harness/wire.mjs";

describe("nodes of two versions", () => {
  /** @type {Cluster} */
  let cluster;
  /** @type {Disguise} */
  let disguise;
  let [version, neighbour, stranger] = ["", "", ""];
  before(async () => {
    cluster = await Cluster.start({ count: 1 });
    version = (await cluster.node(1).list("nodes"))[0].version;
    [neighbour, stranger] = [versionAway(version, 1), versionAway(version, 2)];
    disguise = await Disguise.start(cluster.nats, version);
    cluster.alsoEnd(() => disguise.end());
    disguise.version = neighbour;
    await cluster.make({ cluster: disguise.url }).start();
    await cluster.knowsAll();
  });
  after(() => cluster?.end());

  test("of neighbouring minor versions carry each other's streams", async () => {
    const [older, newer] = cluster.nodes;
    assert.deepEqual(await versions(1), { "node-1": version, "node-2": neighbour });
    assert.deepEqual(await versions(2), { "node-1": neighbour, "node-2": version });
    for (const [from, to] of [[older, newer], [newer, older]]) {
      const clients = await Clients.start({ whip: [String(from?.url)], whep: [String(to?.url)], room: `from-${from?.name}`, viewers: 3 });
      clients.begin();
      await until("all watch", async () => (await clients.report()).viewers.every((viewer) => viewer.packets > 200));
      assert.equal(totals(await clients.report()).missing, 0);
      await clients.end();
    }
  });

  test("of neighbouring minor versions are one room", async () => {
    const people = await Promise.all(cluster.nodes.map((node) => Wire.join(node, { room: "talk", name: `at ${node.name}` })));
    for (const [at, person] of people.entries()) await person.ask("say", { text: `hello from ${at}` });
    // What is said while a node still opens the room comes as history.
    const texts = (/** @type {Wire} */ wire) => wire.events.flatMap(({ message, messages = [] }) => [message, ...messages].map((one) => one?.text));
    for (const person of people) await until("all hear all", () => [0, 1].every((at) => texts(person).includes(`hello from ${at}`)));
    for (const person of people) person.leave();
  });

  test("a node of the other version is drained: its pages go on at its neighbour", async () => {
    const [staying, leaving] = [cluster.node(1), cluster.node(2)];
    const stage = await Stage.set(cluster.nodes);
    cluster.alsoEnd(() => stage.end());
    const publisher = await stage.publisher(leaving, "moves");
    const viewers = [await stage.viewer(leaving, "moves"), await stage.viewer(staying, "moves")];
    const ended = leaving.running?.ended;
    await leaving.drain(30_000);
    assert.deepEqual(await ended, { code: 0, signal: null });
    for (const viewer of viewers) await picturesMove(viewer, videoOf("cam"));
    assert.ok(await publisher.locator("#live-badge.live").isVisible());
    await close(publisher, ...viewers);
  });

  test("of versions further apart: the one that comes is refused and says why", async () => {
    const comes = cluster.node(2);
    disguise.version = stranger;
    const running = await comes.launch();
    assert.notDeepEqual(await running.ended, { code: 0, signal: null });
    assert.ok(comes.log().includes(stranger) && comes.log().includes(version), comes.log());
    assert.match(comes.log(), /node-1/);
    assert.deepEqual(await versions(1), { "node-1": version });
  });

  test("of versions further apart: one that came while NATS was away is passed over, and passes over, and both say why", async () => {
    const [stays, comes] = cluster.nodes;
    disguise.isShut = true;
    await comes?.start();
    disguise.isShut = false;
    for (const [node, other] of [[stays, comes], [comes, stays]]) {
      await until(`${node?.name} says why it passes ${other?.name} over`, () =>
        node?.log().split("\n").some((line) => line.includes("upgrade in steps") && line.includes(String(other?.name)) && line.includes(stranger)),
      );
      assert.equal((await answer(`${node?.url}/readyz`)).status, 200);
    }
    assert.deepEqual([await versions(1), await versions(2)], [{ "node-1": version }, { "node-2": version }]);
  });

  /**
   * Of each node, as one of them sees it.
   * @param {number} number
   * @returns {Promise<Record<string, string>>}
   */
  async function versions(number) {
    const nodes = await cluster.node(number).list("nodes");
    return Object.fromEntries(nodes.filter((one) => one.state !== "lost").map((one) => [one.node, one.version]));
  }
});
