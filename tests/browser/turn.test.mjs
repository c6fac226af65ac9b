// Media through a TURN server, whose address and credentials pages learn from the node: a real coturn, and the one that
// the node runs itself.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { launch } from "./harness/browser.mjs";
import { endedWithTest } from "./harness/children.mjs";
import { picturesMove, tile } from "./harness/observe.mjs";
import { Scene } from "./harness/scene.mjs";
import { Server } from "./harness/server.mjs";
import { homeThatTrusts } from "./harness/trust.mjs";
import { until } from "./harness/until.mjs";

const SECRET = "a secret that two share";

const ADDRESS = Object.values(networkInterfaces()).flat().find((it) => it && !it.internal && it.family === "IPv4")?.address ?? "";
const PORT = 20_000 + Math.floor(Math.random() * 10_000);

describe("a node whose clients may come through a TURN server", () => {
  /** @type {import("playwright-core").Browser} */
  let browser;
  let folder = "";
  before(async () => {
    assert.ok(ADDRESS, "the machine has an address beside loopback");
    folder = await mkdtemp(path.join(tmpdir(), "chappe-turn-"));
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("pages that may use nothing but a coturn publish and watch", async () => {
    await writeFile(path.join(folder, "secret"), `${SECRET}\n`, { mode: 0o600 });
    const coturn = await started(folder);
    const args = ["--turn-url", `turn:${ADDRESS}:${PORT}?transport=udp,turn:${ADDRESS}:${PORT}?transport=tcp`, "--turn-secret", path.join(folder, "secret")];
    try {
      await publishAndWatch(args, "transport=udp");
      assert.match(coturn.log(), /ALLOCATE processed, success/);
    } finally {
      coturn.child.kill("SIGTERM");
    }
  });

  for (const transport of ["udp", "tcp"]) {
    test(`pages that may use nothing but the node's own server over ${transport.toUpperCase()} publish and watch`, async () => {
      const metrics = await publishAndWatch(["--turn", `${ADDRESS}:${PORT + 1}`], `transport=${transport}`);
      assert.match(metrics, /chappe_turn_allocations_total [1-9]/);
      assert.match(metrics, /chappe_turn_relayed_bytes_total [1-9]\d{4}/);
    });
  }

  test("pages that may use nothing but the node's own server over TLS publish and watch", async () => {
    const server = await Server.start({ publicIp: ADDRESS, https: true, args: ["--turn", `${ADDRESS}:${PORT + 1}`] });
    const { home, end } = await homeThatTrusts(server.authority);
    const trusting = await launch({ home });
    try {
      const metrics = await publishAndWatchAt(server, trusting, "turns:");
      assert.match(metrics, /chappe_turn_relayed_bytes_total [1-9]\d{4}/);
    } finally {
      await trusting.close();
      await server.stop();
      await end();
    }
  });

  /**
   * @param {string[]} args
   * @param {string} urls that have this in them are all that the pages take
   */
  async function publishAndWatch(args, urls) {
    const server = await Server.start({ publicIp: ADDRESS, args });
    try {
      return await publishAndWatchAt(server, browser, urls);
    } finally {
      await server.stop();
    }
  }

  /**
   * @param {Server} server
   * @param {import("playwright-core").Browser} browser
   * @param {string} urls
   */
  async function publishAndWatchAt(server, browser, urls) {
    const scene = new Scene({ server, browser });
    const open = browser.newContext.bind(browser);
    try {
      browser.newContext = async (options) => {
        const context = await open(options);
        await context.addInitScript(relayOnly, urls);
        return context;
      };
      const publisher = await scene.publisher("relayed", "cam");
      const watcher = await scene.page("/watch/relayed");
      await picturesMove(watcher, `${tile("cam")} video`);
      for (const page of [publisher, watcher]) {
        // The list of candidates comes a little after the pair that has one of them.
        /** @type {string[]} */
        let kinds = [];
        await until("the candidates of all that flows are known", async () => {
          kinds = await page.evaluate(usedCandidates);
          return kinds.length > 0 && kinds.every(Boolean);
        });
        // Seen by the worker at another address than that which was told, a relayed candidate is peer reflexive.
        assert.ok(kinds.every((kind) => ["relay", "prflx"].includes(kind)), kinds.join());
      }
      const metrics = await (await fetch(`${server.admin}/metrics`)).text();
      for (const page of [publisher, watcher]) await page.context().close();
      return metrics;
    } finally {
      browser.newContext = open;
    }
  }
});

/**
 * A coturn that relays to this machine only.
 * @param {string} folder
 */
async function started(folder) {
  let log = "";
  const only = [`--listening-ip=${ADDRESS}`, `--relay-ip=${ADDRESS}`, "--denied-peer-ip=0.0.0.0-255.255.255.255", `--allowed-peer-ip=${ADDRESS}`];
  const secret = ["--use-auth-secret", `--static-auth-secret=${SECRET}`, "--realm=test.example"];
  const files = ["-n", "--no-cli", "--no-tls", "--no-dtls", "--log-file=stdout", `--pidfile=${folder}/pid`, `--userdb=${folder}/db`];
  const child = endedWithTest(spawn("turnserver", [...files, ...only, ...secret, `--listening-port=${PORT}`, "-v"], { stdio: ["ignore", "pipe", "pipe"] }));
  for (const pipe of [child.stdout, child.stderr]) pipe?.on("data", (data) => (log += String(data)));
  await until("coturn listens", async () => /listener opened on/i.test(log));
  return { child, log: () => log };
}

/**
 * Runs in the page, before its own scripts.
 * @param {string} wanted
 */
function relayOnly(wanted) {
  const Real = window.RTCPeerConnection;
  /** @type {RTCPeerConnection[]} */
  const all = [];
  Object.assign(window, { all });
  window.RTCPeerConnection = class extends Real {
    /** @param {RTCConfiguration} [configuration] */
    constructor(configuration) {
      const iceServers = (configuration?.iceServers ?? []).map((server) => ({ ...server, urls: [server.urls].flat().filter((url) => url.includes(wanted)) }));
      super({ ...configuration, iceServers, iceTransportPolicy: "relay" });
      all.push(this);
    }
  };
}

/** Runs in the page: the kinds of its own candidates over which media flows. */
async function usedCandidates() {
  const kinds = new Set();
  for (const pc of /** @type {RTCPeerConnection[]} */ (/** @type {any} */ (window).all)) {
    const stats = await pc.getStats();
    stats.forEach((transport) => {
      if (transport.type !== "transport" || !transport.selectedCandidatePairId) return;
      kinds.add(stats.get(stats.get(transport.selectedCandidatePairId)?.localCandidateId)?.candidateType ?? "");
    });
  }
  return [...kinds];
}
