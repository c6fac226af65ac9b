// The load balancers of deploy/, with the files as they are there, before three real nodes.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import { launch } from "../browser/harness/browser.mjs";
import { picturesMove } from "../browser/harness/observe.mjs";
import { Authority, homeThatTrusts } from "../browser/harness/trust.mjs";
import { until } from "../browser/harness/until.mjs";
import { Balancer } from "./harness/balancer.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { BALANCER_HOST } from "./harness/fabric.mjs";
import { answer } from "./harness/http.mjs";
import { holdMs } from "./harness/measure.mjs";
import { offer, post, trickle } from "./harness/offer.mjs";
import { Stage, close, videoOf } from "./harness/stage.mjs";
import { Clients, totals } from "./harness/clients.mjs";
import { Wire } from "./harness/wire.mjs";

/** HAProxy asks twice a second and believes the second answer. */
const NOTICED_AFTER_MS = 1500;
const REQUESTS = 24;

/** @type {import("./harness/balancer.mjs").Kind[]} */
const KINDS = ["nginx", "haproxy"];

describe("load balancers", () => {
  /** @type {Cluster} */
  let cluster;
  /** @type {import("./harness/fabric.mjs").Plug} */
  let plug;
  before(async () => {
    cluster = await Cluster.start();
    plug = cluster.fabric.plug(BALANCER_HOST);
  });
  after(() => cluster?.end());

  for (const kind of KINDS) {
    describe(kind, () => {
      /** @type {Balancer} */
      let balancer;
      before(async () => {
        balancer = await Balancer.start(kind, plug, cluster.nodes);
        await until("it finds a node", async () => (await answer(`${balancer.url}/readyz`)).status === 200);
      });
      after(() => balancer?.end());

      test("pages publish and watch through it, WebSocket and all", async () => {
        const stage = await Stage.set([balancer]);
        try {
          const publisher = await stage.publisher(balancer, kind);
          const viewers = [await stage.viewer(balancer, kind), await stage.viewer(balancer, kind)];
          for (const viewer of viewers) await picturesMove(viewer, videoOf("cam"));
          await close(publisher, ...viewers);
        } finally {
          await stage.end();
        }
      });

      test("WHIP and WHEP pass, with PATCH, DELETE, preflights and long offers", async () => {
        const clients = await Clients.start({ whip: [balancer.url], whep: [balancer.url], room: `${kind}-plain`, viewers: 9 });
        assert.equal(totals(await clients.report()).missing, 0);
        await clients.end();

        const long = offer("recvonly") + "a=x-padding:0123456789\r\n".repeat(2500);
        assert.ok(long.length > 60_000 && long.length < 65_536);
        const made = await post(balancer, "whep", kind, "cam?wait=1", long);
        assert.equal(made.status, 201, made.text);
        const session = `${balancer.url}${made.path}`;
        const headers = { "content-type": "application/trickle-ice-sdpfrag", "if-match": made.etag };
        for (let n = 0; n < 3; n++) {
          const patched = await answer(session, { method: "PATCH", headers, body: trickle(made.offer) });
          assert.equal(patched.status, 204, patched.text);
        }
        assert.equal((await answer(session, { method: "OPTIONS", headers: { origin: "http://elsewhere.example" } })).status, 204);
        assert.equal((await answer(session, { method: "DELETE" })).status, 200);

        const tooLong = await post(balancer, "whep", kind, "cam", long + "a=x-padding:0123456789\r\n".repeat(500));
        assert.equal(tooLong.status, 413);
        assert.ok(JSON.parse(tooLong.text).error, "the node's own answer, in JSON");
      });

      test("a draining node gets nobody new, and its WebSockets go on", async () => {
        const leaving = cluster.node(2);
        // Keeps the node from ending before its deadline.
        const stays = await Clients.start({ whip: [cluster.node(1).url], whep: [leaving.url], room: `${kind}-stays`, viewers: 1 });
        const wires = await Promise.all([...Array(6)].map(() => Wire.join(balancer, { room: kind })));
        await leaving.drain(60_000);
        await sleep(NOTICED_AFTER_MS);
        const before = (await leaving.list("sessions")).length;
        for (let n = 0; n < REQUESTS; n++) {
          const made = await post(balancer, "whep", kind, "cam?wait=1");
          assert.equal(made.status, 201, made.text);
          await answer(`${balancer.url}${made.path}`, { method: "DELETE" });
          assert.ok((await leaving.list("sessions")).length <= before, "the draining node got a session");
        }
        const late = await Promise.all([...Array(6)].map(() => Wire.join(balancer, { room: kind })));
        for (const wire of [...wires, ...late]) {
          assert.ok(wire.isOpen);
          assert.equal((await wire.ask("ping")).type, "pong");
          wire.close();
        }
        await leaving.cancelDrain();
        await stays.end();
        await until("it is ready again", async () => (await answer(`${leaving.url}/readyz`)).status === 200);
      });

      test("a killed node is skipped, at once and by every kind of request", async () => {
        const victim = cluster.node(3);
        await victim.kill();
        for (let n = 0; n < REQUESTS; n++) {
          const page = await answer(`${balancer.url}/`);
          assert.equal(page.status, 200, `request ${n}: ${page.text}`);
          const made = await post(balancer, "whep", kind, "cam?wait=1");
          assert.equal(made.status, 201, `request ${n}: ${made.text}`);
          await answer(`${balancer.url}${made.path}`, { method: "DELETE" });
        }
        const wires = await Promise.all([...Array(6)].map(() => Wire.join(balancer, { room: kind })));
        for (const wire of wires) wire.close();
        await victim.start();
        await cluster.knowsAll();
      });

      test("requests are answered while a node has vanished from the network", async (context) => {
        const victim = cluster.node(1);
        cluster.fabric.cut(victim.plug);
        try {
          for (let n = 0; n < 6; n++) {
            const began = performance.now();
            const made = await post(balancer, "whep", kind, "cam?wait=1");
            const tookMs = performance.now() - began;
            assert.equal(made.status, 201, `request ${n}: ${made.text}`);
            holdMs(context, `request ${n}`, { ms: tookMs, limitMs: 2500 });
          }
        } finally {
          cluster.fabric.heal(victim.plug);
        }
        await cluster.knowsAll();
      });
    });
  }

  describe("nginx that ends TLS", () => {
    /** @type {Authority} */
    let authority;
    /** @type {Balancer} */
    let balancer;
    before(async () => {
      authority = await Authority.make();
      balancer = await Balancer.start("nginx", plug, cluster.nodes, authority);
    });
    after(async () => {
      await balancer?.end();
      await authority?.end();
    });

    test("pages over HTTPS in a browser that trusts its certificate publish and watch, over wss", async () => {
      const { home, end } = await homeThatTrusts(authority.certificate);
      const stage = await Stage.at(home);
      try {
        const publisher = await stage.publisher(balancer, "tls");
        assert.equal(await publisher.inputValue("#link"), `${balancer.url}/watch/tls/cam`);
        const viewer = await stage.viewer(balancer, "tls");
        /** @type {string[]} */
        const sockets = [];
        viewer.on("websocket", (socket) => sockets.push(socket.url()));
        await viewer.reload();
        await picturesMove(viewer, videoOf("cam"));
        assert.deepEqual(sockets, [`${balancer.url.replace("https", "wss")}/ws`]);
        const protocols = await viewer.evaluate(() => performance.getEntriesByType("navigation").map((entry) => /** @type {PerformanceResourceTiming} */ (entry).nextHopProtocol));
        assert.deepEqual([protocols, await viewer.evaluate(() => isSecureContext)], [["h2"], true]);
        await close(publisher, viewer);
      } finally {
        await stage.end();
        await end();
      }
    });

    test("a browser that does not trust its certificate shows no page", async () => {
      const browser = await launch();
      const page = await browser.newPage();
      await assert.rejects(page.goto(balancer.url), /ERR_CERT_AUTHORITY_INVALID/);
      await browser.close();
    });

    for (const version of ["--http1.1", "--http2"]) {
      test(`curl ${version} joins and leaves by WHIP and WHEP`, async () => {
        const room = `curl${version.replaceAll(/\W/g, "-")}`;
        const publisher = await curl(version, `/whip/${room}/cam`, offer("sendonly"));
        const viewer = await curl(version, `/whep/${room}/cam?wait=1`, offer("recvonly"));
        for (const { status, location, text } of [publisher, viewer]) {
          assert.equal(status, 201, text);
          assert.match(location, /^\/session\//);
          assert.equal((await curl(version, location)).status, 200);
        }
      });
    }

    /**
     * POSTs an offer, or DELETEs. It trusts the authority of the test and nobody else.
     * @param {string} version
     * @param {string} where
     * @param {string} [body]
     * @returns {Promise<{status: number, location: string, text: string}>}
     */
    async function curl(version, where, body) {
      const told = ["-sS", "-m", "10", "--cacert", authority.certificate, version, "-w", "\n%{http_code} %header{location}"];
      const asked = body ? ["-H", "content-type: application/sdp", "--data-binary", body] : ["-X", "DELETE"];
      const { stdout } = await promisify(execFile)("curl", [...told, ...asked, `${balancer.url}${where}`]);
      const [status = "", location = ""] = stdout.slice(stdout.lastIndexOf("\n") + 1).split(" ");
      return { status: Number(status), location, text: stdout };
    }
  });
});
