// The TURN server of a node as coturn's own client sees it, over each way to relay; and what it gets that has no business here.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, afterEach, before, describe, test } from "node:test";

import { until } from "../browser/harness/until.mjs";
import { Authority } from "../browser/harness/trust.mjs";
import { answer, api, status } from "./harness/http.mjs";
import { HTTP_PORT } from "./harness/node.mjs";
import { offer, post } from "./harness/offer.mjs";
import { TURN_PORT, mediaPortOf, startTurnNode, turnOptions } from "./harness/turn.mjs";
import { Wire } from "./harness/wire.mjs";

/** @typedef {import("./harness/cluster.mjs").Cluster} Cluster */
/** @typedef {import("./harness/node.mjs").ClusterNode} ClusterNode */

const MESSAGES = 3;
const MESSAGE_BYTES = 100;

describe("turnutils_uclient", () => {
  /** @type {Cluster} */
  let cluster;
  /** Worker 0 and worker 1: the client asks for two ports that follow each other, as for RTP and RTCP. */
  let mediaPort = 0;
  before(async () => {
    cluster = await startTurnNode();
    mediaPort = await mediaPortOf(cluster.node(1));
  });
  after(() => cluster?.end());

  let made = 0;
  /** @type {Wire[]} */
  const pages = [];
  afterEach(() => pages.splice(0).forEach((page) => page.leave()));

  for (const [how, flags] of /** @type {[string, string[]][]} */ ([["a channel over UDP", []], ["a channel over TCP", ["-t"]], ["indications over UDP", ["-s"]]])) {
    test(`relays to a media port through ${how}`, async () => {
      const before = await relayed();
      const { code, text } = await client([...flags, ...(await credentials()), ...to(mediaPort)]);
      assert.equal(code, 0, text);
      assert.match(text, new RegExp(`tot_send_msgs=${MESSAGES}`), text);
      // A worker does not answer what is neither STUN nor media.
      assert.match(text, new RegExp(`Total lost packets ${MESSAGES} `), text);
      const now = await relayed();
      assert.equal(now.bytes - before.bytes, MESSAGES * MESSAGE_BYTES);
      assert.ok(now.allocations > before.allocations);
    });
  }

  test("relays to a media port over TLS, as the Link header of WHIP says", async () => {
    const authority = await Authority.make();
    cluster.alsoEnd(() => authority.end());
    const { certificate, key } = authority.certify(NAME);
    const node = cluster.make(turnOptions(["--tls-cert", certificate, "--tls-key", key]));
    await node.launch();
    await until("it is ready", async () => (await status(`${node.admin}/readyz`)) === 200);
    const made = await run("curl", [
      "-sS", "-m", "10", "-i", "--cacert", authority.certificate, "--resolve", `${NAME}:${HTTP_PORT}:${node.plug.address}`,
      "-H", "content-type: application/sdp", "--data-binary", offer("sendonly"), `https://${NAME}:${HTTP_PORT}/whip/demo/cam`,
    ]);
    const [, username = "", credential = ""] = made.text.match(/<turns:turn\.test:3478\?transport=tcp>; rel="ice-server"; username="(.*?)"; credential="(.*?)"/) ?? [];
    assert.ok(credential, made.text);
    const port = await mediaPortOf(node);
    const { code, text } = await client(["-t", "-S", "-E", authority.certificate, "-u", username, "-w", credential, ...to(port, node.plug.address)], { node });
    assert.equal(code, 0, text);
    assert.match(text, new RegExp(`tot_send_msgs=${MESSAGES}`), text);
    assert.equal((await relayed(node)).bytes, MESSAGES * MESSAGE_BYTES);
    await node.end();
  });

  test("is refused with a password that is another's", async () => {
    const before = await relayed();
    const [user, name] = await credentials();
    const { code, text } = await client([String(user), String(name), "-w", "another's", ...to(mediaPort)]);
    assert.notEqual(code, 0);
    assert.match(text, /Cannot complete Allocation/);
    assert.deepEqual(await relayed(), before);
  });

  test("relays to no other port of the node, and to nobody else", async () => {
    const before = await relayed();
    const credential = await credentials();
    for (const peer of [to(22), to(TURN_PORT), to(mediaPort, "127.0.0.1"), to(mediaPort, cluster.nats.plug.address)]) {
      const { peers } = await relayed();
      const enough = new AbortController();
      const asking = client([...credential, ...peer], { enough: enough.signal });
      await until(`a refusal of ${peer.join(" ")} is counted`, async () => (await relayed()).peers > peers);
      enough.abort();
      const { text } = await asking;
      assert.doesNotMatch(text, /tot_send_msgs=[1-9]/, `${peer}: ${text}`);
    }
    assert.equal((await relayed()).bytes, before.bytes);
  });

  test("is not relayed for any more when the page has left that was told the credentials", async () => {
    const credential = await credentials();
    await isCutOff({ credential }, async () => pages.splice(0).forEach((page) => page.leave()));
  });

  test("is not relayed for any more when the WHIP session is deleted that was told the credentials", async () => {
    const { credential, id, location } = await session(cluster.node(1));
    await isCutOff({ credential }, async () => {
      const [found] = (await cluster.node(1).list("sessions")).filter((one) => one.id === id);
      assert.ok(found, "it goes on until then");
      assert.equal((await answer(location, { method: "DELETE" })).status, 200);
    });
  });

  test("is not relayed for any more when a session has ended that is on another node than the one that told the credentials", async () => {
    const door = cluster.make({ mode: "signaling", ...turnOptions() });
    await door.start();
    /** @type {[string, (whip: {id: string, location: string}) => Promise<unknown>][]} */
    const ends = [
      ["its client says DELETE there", async ({ location }) => assert.equal((await answer(location, { method: "DELETE" })).status, 200)],
      ["an operator ends it where it is", ({ id }) => api(`${cluster.node(1).admin}/api/v1/sessions/${id}`, { method: "DELETE" })],
    ];
    for (const [how, end] of ends) {
      const whip = await until("it can place sessions", () => session(door));
      const here = async () => (await cluster.node(1).list("sessions")).some((one) => one.id === whip.id);
      await isCutOff({ credential: whip.credential, node: door }, async () => {
        assert.ok(await here(), how);
        await end(whip);
        assert.ok(!(await here()), how);
      });
    }
    await door.end();
  });

  test("is not relayed for for long when session or page ended before signaling was replaced", async () => {
    const door = cluster.make({ mode: "signaling", ...turnOptions() });
    await door.start();
    const whip = await until("it can place sessions", () => session(door));
    const page = await Wire.join(door, { room: "demo" });
    const [{ username, credential }] = page.welcome.ice_servers;
    page.leave();
    await api(`${cluster.node(1).admin}/api/v1/sessions/${whip.id}`, { method: "DELETE" });
    await door.killSignaling();
    await until("the next one is there", async () => (await status(`${door.url}/readyz`)) === 200);
    for (const told of [whip.credential, ["-u", username, "-w", credential]]) {
      await isCutOff({ credential: told, node: door }, async () => {});
    }
    await door.end();
  });

  /**
   * Relays with credentials of a session or page, which then ends: its allocation ends with it, and there is no other.
   * @param {{credential: string[], node?: ClusterNode}} told
   * @param {() => Promise<unknown>} end
   */
  async function isCutOff({ credential, node = cluster.node(1) }, end) {
    const before = await relayed(node);
    const enough = new AbortController();
    // One each 100 ms, for two minutes.
    const asking = client([...credential, ...to(mediaPort), "-n", "1200", "-z", "100"], { enough: enough.signal, node });
    await until("it is relayed for", async () => (await relayed(node)).bytes > before.bytes);
    await end();
    const { malformed } = await relayed(node);
    await until("what it sends is refused, because its allocation is gone", async () => (await relayed(node)).malformed > malformed);
    enough.abort();
    await asking;
    const { bytes, credentials: shown } = await relayed(node);
    const { code, text } = await client([...credential, ...to(mediaPort)], { node });
    assert.notEqual(code, 0);
    assert.match(text, /Cannot complete Allocation/);
    const now = await relayed(node);
    assert.equal(now.bytes, bytes);
    assert.ok(now.credentials > shown);
  }

  /**
   * One of WHIP, with the credentials that its client is told.
   * @param {ClusterNode} node
   */
  async function session(node) {
    const { status: code, headers, text } = await post(node, "whip", "demo", `cam${(made += 1)}`);
    assert.equal(code, 201, text);
    const [, username = "", credential = ""] = headers.get("link")?.match(/username="(.*?)"; credential="(.*?)"/) ?? [];
    assert.ok(credential);
    const path = headers.get("location") ?? assert.fail("no location");
    return { credential: ["-u", username, "-w", credential], location: new URL(path, node.url).href, id: path.split("/").at(-1) ?? "" };
  }

  /**
   * @param {number} port
   * @param {string} [address]
   */
  function to(port, address = cluster.node(1).plug.address) {
    return ["-e", address, "-r", String(port)];
  }

  /** As a page is told them, which stays for the test. */
  async function credentials() {
    const page = await Wire.join(cluster.node(1), { room: "demo" });
    pages.push(page);
    const [{ username, credential }] = page.welcome.ice_servers;
    return ["-u", username, "-w", credential];
  }

  async function relayed(node = cluster.node(1)) {
    const { text } = await answer(`${node.admin}/metrics`);
    const value = (/** @type {string} */ name) => Number(text.match(new RegExp(`^${name} (\\d+)$`, "m"))?.[1]);
    return {
      allocations: value("chappe_turn_allocations_total"),
      bytes: value("chappe_turn_relayed_bytes_total"),
      peers: value('chappe_turn_refusals_total{reason="peer"}'),
      malformed: value('chappe_turn_refusals_total{reason="malformed"}'),
      credentials: value('chappe_turn_refusals_total{reason="credentials"}'),
    };
  }

  /**
   * @param {string[]} args
   * @param {{enough?: AbortSignal, node?: import("./harness/node.mjs").ClusterNode}} [how] `enough` ends it before it has done
   */
  function client(args, { enough, node = cluster.node(1) } = {}) {
    const shape = ["-c", "-n", String(MESSAGES), "-m", "1", "-l", String(MESSAGE_BYTES), "-p", String(TURN_PORT)];
    return run("turnutils_uclient", [...shape, ...args, node.plug.address], enough);
  }
});

/**
 * @param {string} program
 * @param {string[]} args
 * @param {AbortSignal} [enough]
 * @returns {Promise<{code: number | string | null | undefined, text: string}>}
 */
function run(program, args, enough) {
  return new Promise((done) => {
    execFile(program, args, { timeout: ENDS_WITHIN_MS, ...(enough && { signal: enough }) }, (error, stdout, stderr) => {
      done({ code: error ? error.code : 0, text: stdout + stderr });
    });
  });
}

/** Of the certificate. */
const NAME = "turn.test";
/** It waits 10 s for the last message to come back, and is ended before where it sends for long. */
const ENDS_WITHIN_MS = 180_000;
