// Tokens count the same at every node: what is made or revoked at one is so at the others.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { until } from "../browser/harness/until.mjs";
import { Clients, totals } from "./harness/clients.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { answer } from "./harness/http.mjs";
import { StoredKey } from "./harness/keys.mjs";
import { bearer, post, trickle } from "./harness/offer.mjs";
import { operate } from "./harness/operator.mjs";
import { Wire } from "./harness/wire.mjs";

describe("tokens of a cluster", () => {
  /** @type {Cluster} */
  let cluster;
  /** Made at the first node. */
  /** @type {StoredKey} */
  let key;
  before(async () => {
    cluster = await Cluster.start({ count: 2, options: { auth: "jwt" } });
    key = await addKey();
  });
  after(() => cluster?.end());

  test("a token permits at each node what it says, and nothing else", async () => {
    const all = await key.mint("--publish", "--watch");
    const doors = [
      ["none", "", [401, 401]],
      ["wrong", `${all}x`, [401, 401]],
      ["watch", await key.mint("--watch"), [403, 201]],
      ["publish", await key.mint("--publish"), [201, 403]],
      ["another stream", await key.mint("--publish", "--watch", "--stream", "cam"), [403, 403]],
    ];
    for (const node of cluster.nodes) {
      for (const [what, token, expected] of doors) {
        const stream = `${node.name}-${what}`.replace(" ", "-");
        const made = [
          await post(node, "whip", "demo", stream, undefined, String(token)),
          await post(node, "whep", "demo", `${stream}?wait=1`, undefined, String(token)),
        ];
        assert.deepEqual(made.map(({ status }) => status), expected, `${what} at ${node.name}: ${made.map(({ text }) => text)}`);
      }
      const elsewhere = await post(node, "whep", "secret", "cam?wait=1", undefined, all);
      assert.equal(elsewhere.status, 403, elsewhere.text);
      await assert.rejects(Wire.join(node, { room: "demo" }), /unauthorized/);
      await assert.rejects(Wire.join(node, { room: "secret", token: all }), /forbidden/);
    }
  });

  test("a session is its holder's at every node, and nobody else's", async () => {
    const [ada, bob] = [await key.mint("--watch", "--identity", "ada"), await key.mint("--watch", "--identity", "bob")];
    for (const [home, asked] of [[1, 2], [2, 1], [1, 1], [2, 2]]) {
      const [there, here] = [cluster.node(Number(home)), cluster.node(Number(asked))];
      const made = await post(there, "whep", "demo", "cam?wait=1", undefined, ada);
      assert.equal(made.status, 201, made.text);
      const end = (/** @type {string} */ token) => answer(`${here.url}${made.path}`, { method: "DELETE", headers: bearer(token) });
      const what = `${there.name}'s session at ${here.name}`;
      const trickled = (/** @type {string} */ token) =>
        answer(`${here.url}${made.path}`, {
          method: "PATCH", body: trickle(made.offer),
          headers: { "content-type": "application/trickle-ice-sdpfrag", "if-match": made.etag, ...bearer(token) },
        });
      for (const [token, status] of /** @type {[string, number][]} */ ([["", 401], [`${ada}x`, 401], [bob, 404], [ada, 204]])) {
        const { status: answered, text } = await trickled(token);
        assert.equal(answered, status, `PATCH of ${what}: ${text}`);
      }
      assert.equal((await end("")).status, 401, what);
      assert.equal((await end(bob)).status, 404, `${what}, by another holder`);
      assert.ok((await sessions(there)).some(({ id }) => made.path.endsWith(id)), `${what} has ended`);
      assert.equal((await end(await key.mint("--watch", "--identity", "ada"))).status, 200, `${what}, by its holder`);
      await until(`${what} is gone`, async () => !(await sessions(there)).some(({ id }) => made.path.endsWith(id)));
    }
  });

  test("a key that is revoked at one node is void at the other, and what was begun with it ends there", async () => {
    const [first, second] = [cluster.node(1), cluster.node(2)];
    const other = await addKey();
    const [lasting, ending] = [await key.mint("--publish", "--watch"), await other.mint("--watch")];
    const room = { room: "demo", stream: "revoked" };
    const kept = await Clients.start({ ...room, whip: [first.url], whep: [second.url], viewers: 1, token: lasting });
    const lost = await Clients.start({ ...room, whep: [second.url], viewers: 3, token: ending });
    const page = await Wire.join(second, { room: "demo", token: ending });
    const watching = async () => (await sessions(second)).filter(({ kind, state }) => kind === "whep" && state === "connected").length;
    await until("all watch at the second node", async () => (await watching()) === 4);

    await other.revoke(first);
    await until("its sessions there have ended", async () => (await watching()) === 1);
    // They come back again and again, and that many wrong tokens are answered otherwise.
    await lost.end();
    await until("the second node takes it no more", async () => (await rooms(second, ending)) === 401);
    assert.equal((await page.heard((event) => event.type === "error")).error, "unauthorized");
    await until("its page there is shown out", () => !page.isOpen);
    const listed = JSON.parse(await operate(second, "keys", "list", "--json"));
    assert.ok(listed.includes(key.id) && !listed.includes(other.id), JSON.stringify(listed));

    kept.begin();
    await until("the viewer of the other key goes on", async () => totals(await kept.report()).packets > 100);
    assert.equal(totals(await kept.report()).rejoins, 0);
    await kept.end();
  });

  /** A key of the store, made at the first node and known at the second one. */
  async function addKey() {
    const made = await StoredKey.add(cluster.node(1));
    cluster.alsoEnd(() => made.end());
    const token = await made.mint("--watch");
    for (const node of cluster.nodes) await until(`${node.name} knows the key`, async () => (await rooms(node, token)) === 200);
    return made;
  }
});

/**
 * The status of the list of rooms.
 * @param {{url: string}} node
 * @param {string} token
 */
async function rooms(node, token) {
  return (await answer(`${node.url}/api/rooms`, { headers: bearer(token) })).status;
}

/**
 * Of a node's own workers.
 * @param {import("./harness/node.mjs").ClusterNode} node
 * @returns {Promise<{id: string, kind: string, state: string}[]>}
 */
function sessions(node) {
  return node.list("sessions");
}
