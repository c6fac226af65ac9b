// Any node serves any request: whoever has the session, the node that was asked answers.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { until } from "../browser/harness/until.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { answer, api } from "./harness/http.mjs";
import { post, trickle } from "./harness/offer.mjs";
import { Clients, totals } from "./harness/clients.mjs";
import { Wire } from "./harness/wire.mjs";

const FRAGMENT = "application/trickle-ice-sdpfrag";

describe("any node", () => {
  /** @type {Cluster} */
  let cluster;
  before(async () => {
    cluster = await Cluster.start({ count: 2 });
    // The third takes requests and has no workers: whatever it is asked for is elsewhere.
    await cluster.make({ mode: "signaling" }).start();
    await cluster.knowsAll();
  });
  after(() => cluster?.end());

  test("publishes and plays what was posted to a node without workers", async () => {
    const { url } = cluster.node(3);
    const clients = await Clients.start({ whip: [url], whep: [url], room: "remote", viewers: 6 });
    clients.begin();
    await until("packets", async () => totals(await clients.report()).packets > 200);
    assert.equal(totals(await clients.report()).missing, 0);
    const streams = await cluster.node(3).list("streams");
    assert.ok(streams.some((stream) => stream.room === "remote" && stream.node !== "node-3"), JSON.stringify(streams));
    await clients.end();
  });

  test("takes PATCH and DELETE for a session of any other", async () => {
    for (const home of cluster.nodes) {
      for (const asked of cluster.nodes) {
        const made = await post(home, "whep", "patched", "cam?wait=1");
        assert.equal(made.status, 201, made.text);
        const headers = { "content-type": FRAGMENT, "if-match": made.etag };
        const session = `${asked.url}${made.path}`;
        const what = `${home.name}'s session at ${asked.name}`;
        const patched = await answer(session, { method: "PATCH", headers, body: trickle(made.offer) });
        assert.equal(patched.status, 204, `PATCH of ${what}: ${patched.text}`);
        const stale = await answer(session, { method: "PATCH", headers: { ...headers, "if-match": '"no"' }, body: trickle(made.offer) });
        assert.equal(stale.status, 412, `PATCH with an old ETag of ${what}: ${stale.text}`);
        assert.equal((await answer(session, { method: "DELETE" })).status, 200, `DELETE of ${what}`);
        assert.equal((await answer(session, { method: "DELETE" })).status, 200, `a second DELETE of ${what}`);
        const gone = await answer(session, { method: "PATCH", headers, body: trickle(made.offer) });
        assert.equal(gone.status, 404, `PATCH of ${what} after its end: ${gone.text}`);
      }
    }
  });

  test("knows that a name is in use, whoever it is asked, and gives it to its own client alone", async () => {
    const { url } = cluster.node(1);
    const clients = await Clients.start({ whip: [url], whep: [url], room: "taken", viewers: 1 });
    const [stream] = (await cluster.node(1).list("streams")).filter(({ room }) => room === "taken");
    for (const node of cluster.nodes) {
      for (const query of ["", "?takeover=1", `?instead_of=${"0".repeat(40)}`]) {
        const second = await post(node, "whip", "taken", `cam${query}`);
        assert.equal(second.status, 409, `${node.name} ${query}: ${second.text}`);
        assert.ok(Number(second.headers.get("retry-after")) >= 1);
      }
    }
    const again = await post(cluster.node(2), "whip", "taken", `cam?instead_of=${url}/session/${stream.session}`);
    assert.equal(again.status, 201, again.text);
    await clients.end();
    // Where nobody is behind a session, the next one gets the name, whoever is asked.
    for (const node of cluster.nodes) {
      await until(`${node.name} gives the name`, async () => (await post(node, "whip", "quiet", "cam")).status === 201);
    }
  });

  test("mutes what is published at another, for viewers at a third", async () => {
    const [home, seen, asked] = [cluster.node(1), cluster.node(2), cluster.node(3)];
    const clients = await Clients.start({ whip: [home.url], whep: [seen.url], room: "muted", viewers: 2 });
    clients.begin();
    const packets = async () => totals(await clients.report()).packets;
    await until("packets", async () => (await packets()) > 200);
    const [{ session }] = (await asked.list("streams")).filter(({ room }) => room === "muted");
    const url = `${asked.admin}/api/v1/sessions/${session}`;
    const mute = (/** @type {boolean} */ muted) => api(`${url}/mute`, { method: "POST", json: { muted } });
    const received = async () => (await api(url)).stats.received[0].packets;
    const sendsOn = async () => {
      const before = await received();
      await until("the publisher sends on", async () => (await received()) > before + 50);
    };
    const { tracks } = await mute(true);
    assert.ok(tracks.length > 0 && tracks.every((/** @type {any} */ track) => track.moderated), JSON.stringify(tracks));
    // After what was under way.
    let before = 0;
    await until("nothing comes any more while the publisher sends on", async () => {
      before = await packets();
      await sendsOn();
      return (await packets()) === before;
    });
    const streams = await seen.list("streams");
    assert.ok(streams.some((stream) => stream.session === session && stream.tracks[0].moderated), JSON.stringify(streams));
    await mute(false);
    await until("packets again", async () => (await packets()) > before + 200);
    await clients.end();
  });

  test("takes up a page that was at another one, and nobody else by its name", async () => {
    const first = await Wire.join(cluster.node(1), { room: "resumed", name: "Ada" });
    const { member, resume } = first.welcome;
    first.close();
    for (const node of [cluster.node(2), cluster.node(3), cluster.node(1)]) {
      const back = await Wire.join(node, { room: "resumed", name: "Ada", resume });
      assert.equal(back.welcome.member, member, node.name);
      back.close();
    }
    const other = await Wire.join(cluster.node(2), { room: "resumed", name: "Ada" });
    assert.notEqual(other.welcome.member, member);
    other.close();
  });

  test("tells a page where the others are", async () => {
    const wire = await Wire.join(cluster.node(1), { room: "servers" });
    for (const node of cluster.nodes) assert.ok(wire.welcome.servers.includes(node.url), JSON.stringify(wire.welcome.servers));
    wire.close();
  });
});
