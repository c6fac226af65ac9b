// What one address may have of a listener, over real HTTP/2 connections: of its connections those that are idle, and of
// its requests all that it has at a time, however many each connection carries. Others are served meanwhile.

import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { readFileSync } from "node:fs";
import { after, afterEach, before, describe, test } from "node:test";
import { connect } from "node:tls";

import { Authority } from "../browser/harness/trust.mjs";
import { until } from "../browser/harness/until.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { CLIENT_ADDRESS } from "./harness/fabric.mjs";
import { answer, status } from "./harness/http.mjs";
import { HTTP_PORT } from "./harness/node.mjs";

/** docs/server.md has them. */
const REQUESTS_OF_CLIENT_MAX = 1_024;
const IDLE_OF_CLIENT_MAX = 1_024;
/** More than it may have. */
const CROWD = IDLE_OF_CLIENT_MAX + 8;
const TOGETHER = 32;
/** Of the certificate. */
const NAME = "shares.test";

describe("what one address may have", () => {
  /** @type {Cluster} */
  let cluster;
  let other = "";
  /** @type {string} */
  let ca;
  before(async () => {
    cluster = new Cluster({});
    const authority = await Authority.make();
    cluster.alsoEnd(() => authority.end());
    const { certificate, key } = authority.certify(NAME);
    ca = readFileSync(authority.certificate, "utf8");
    other = cluster.fabric.addClientAddress();
    const node = cluster.make({ cluster: "", workers: 1, args: ["--tls-cert", certificate, "--tls-key", key] });
    await node.launch();
    await until("it is ready", async () => (await status(`${node.admin}/readyz`)) === 200);
  });
  after(() => cluster?.end());

  /** @type {http2.ClientHttp2Session[]} */
  const held = [];
  afterEach(() => held.splice(0).forEach((session) => session.destroy()));

  test("requests: all streams of its connections together, and what is beyond is refused", async () => {
    const first = await open(CLIENT_ADDRESS);
    const each = first.remoteSettings.maxConcurrentStreams ?? assert.fail("the listener names no bound");
    const sessions = [first];
    while (sessions.length * each < REQUESTS_OF_CLIENT_MAX) sessions.push(await open(CLIENT_ADDRESS));
    assert.equal(sessions.length * each, REQUESTS_OF_CLIENT_MAX, "whole connections");
    const further = await open(CLIENT_ADDRESS);
    const waiting = sessions.flatMap((session) => Array.from({ length: each }, () => hold(session)));
    // One that is over makes room for one, and for no other.
    const [over, ...rest] = waiting;
    over?.close();
    await until("there is room for one", async () => (await ask(further)).status === 200);
    rest.push(hold(further));
    await until("it is all it may have", async () => (await ask(further)).status === 503);
    const refused = await ask(further);
    assert.equal(refused.retryAfter, "1");
    assert.equal(JSON.parse(refused.text).error, "too_many");
    assert.match(refused.text, /1,?024/);
    assert.equal((await ask(await open(other))).status, 200, "of another address");
    assert.ok(rest.every((stream) => !stream.closed), "who was there first goes on");
    assert.ok((await refusals("requests")) >= 2);
  });

  test("idle connections: beyond its share each ends the one that is idle for longest, and none of another address", async () => {
    const theirs = await open(other);
    assert.equal((await ask(theirs)).status, 200);
    for (let made = 0; made < CROWD; made += TOGETHER) {
      const some = await Promise.all(Array.from({ length: Math.min(TOGETHER, CROWD - made) }, () => open(CLIENT_ADDRESS)));
      await Promise.all(some.map(async (session) => assert.equal((await ask(session)).status, 200)));
    }
    const own = held.filter((session) => session !== theirs);
    assert.equal(own.length, CROWD);
    await until("those beyond its share are gone", () => own.filter((session) => session.closed).length === CROWD - IDLE_OF_CLIENT_MAX);
    const gone = own.flatMap((session, at) => (session.closed ? [at] : []));
    // Of those that were opened together any may have become idle first.
    assert.ok(gone.every((at) => at < TOGETHER), `${gone}`);
    assert.equal((await ask(theirs)).status, 200, "on the connection that it has");
    assert.equal((await ask(await open(other))).status, 200, "on a new one");
    assert.equal(await refusals("connections"), 0, "who is idle gives way, and nobody is refused");
  });

  /**
   * One more connection with HTTP/2 over TLS, whose settings are known.
   * @param {string} localAddress
   */
  async function open(localAddress) {
    const { address: host } = cluster.node(1).plug;
    const where = { host, port: HTTP_PORT, localAddress };
    const socket = connect({ ...where, servername: NAME, ca, ALPNProtocols: ["h2"] });
    await once(socket, "secureConnect");
    assert.equal(socket.alpnProtocol, "h2");
    const session = http2.connect(`https://${NAME}:${HTTP_PORT}`, { createConnection: () => socket });
    // One whose place is another's now may be reset.
    session.on("error", () => {});
    held.push(session);
    await once(session, "remoteSettings");
    return session;
  }

  async function refusals(/** @type {string} */ reason) {
    const { text } = await answer(`${cluster.node(1).admin}/metrics`);
    return Number(text.match(new RegExp(`^chappe_access_refusals_total\\{reason="${reason}"\\} (\\d+)$`, "m"))?.[1] ?? 0);
  }
});

/**
 * A request that is never complete: an offer that does not come.
 * @param {http2.ClientHttp2Session} session
 */
function hold(session) {
  const stream = session.request({ ":method": "POST", ":path": "/whip/demo/cam", "content-type": "application/sdp" }, { endStream: false });
  stream.on("error", () => {});
  return stream;
}

/**
 * @param {http2.ClientHttp2Session} session
 * @returns {Promise<{status: number, retryAfter: string | undefined, text: string}>}
 */
async function ask(session) {
  const stream = session.request({ ":path": "/healthz" });
  const [headers] = await once(stream, "response");
  const text = (await stream.setEncoding("utf8").toArray()).join("");
  return { status: Number(headers[":status"]), retryAfter: headers["retry-after"], text };
}
