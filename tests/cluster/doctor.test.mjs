// What `chappe doctor` finds from another machine: that all is well, a firewall that drops, and a store that is gone.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";

import { binary } from "../browser/harness/server.mjs";
import { until } from "../browser/harness/until.mjs";
import { run } from "./harness/fabric.mjs";
import { mediaPortOf, startTurnNode } from "./harness/turn.mjs";

/** @typedef {import("./harness/cluster.mjs").Cluster} Cluster */
/** @typedef {import("./harness/node.mjs").ClusterNode} ClusterNode */
/** @typedef {{what: string, verdict: "ok" | "warn" | "fail", found: string, remedy: string}} Finding */

describe("doctor on another machine", () => {
  /** @type {Cluster} */
  let cluster;
  let mediaPort = 0;
  before(async () => {
    cluster = await startTurnNode();
    mediaPort = await mediaPortOf(cluster.node(1));
  });
  after(() => cluster?.end());

  test("finds what clients are told where they find it", async () => {
    const { findings } = await examine(cluster.node(1));
    for (const what of ["media ports, UDP", "media ports, TCP", "public address", "pages", "TURN", "cluster"]) {
      assert.equal(findings.get(what)?.verdict, "ok", `${what}: ${JSON.stringify(findings.get(what))}`);
    }
    const { address } = cluster.node(1).plug;
    assert.equal(findings.get("media ports, UDP")?.found, `${address}:${mediaPort}, ${address}:${mediaPort + 1}`);
  });

  for (const [over, what] of /** @type {const} */ ([["udp", "media ports, UDP"], ["tcp", "media ports, TCP"]])) {
    test(`does not call a port open whose ${over} a firewall drops`, async () => {
      const rule = `INPUT -p ${over} --dport ${mediaPort} -j DROP`;
      const firewall = `ip netns exec ${cluster.node(1).plug.name} iptables`;
      run(`${firewall} -A ${rule}`);
      const { code, findings } = await examine(cluster.node(1));
      run(`${firewall} -D ${rule}`);
      assert.equal(code, 1);
      const { verdict, found, remedy } = findings.get(what) ?? assert.fail(what);
      assert.equal(verdict, "fail");
      assert.equal(found, `${cluster.node(1).plug.address}:${mediaPort}: no answer`, "only the one of the two");
      assert.match(remedy, /firewall/);
      const others = [...findings.values()].filter((finding) => finding.verdict === "fail" && finding.what !== what);
      assert.deepEqual(others, []);
    });
  }

  test("says that NATS is gone, and that it is back", async () => {
    const verdict = async () => (await examine(cluster.node(1))).findings.get("cluster");
    await cluster.nats.kill();
    await until("it is found", async () => (await verdict())?.verdict === "warn");
    assert.match((await verdict())?.remedy ?? "", /NATS/);
    await cluster.nats.start();
    await until("it is back", async () => (await verdict())?.verdict === "ok");
  });
});

/**
 * @param {ClusterNode} node
 * @returns {Promise<{code: number, findings: Map<string, Finding>}>}
 */
function examine(node) {
  return new Promise((done, fail) => {
    execFile(binary(), ["doctor", "--json", "--admin", node.admin], (error, stdout, stderr) => {
      try {
        /** @type {Finding[]} */
        const findings = JSON.parse(stdout);
        done({ code: Number(error?.code ?? 0), findings: new Map(findings.map((finding) => [finding.what, finding])) });
      } catch (problem) {
        fail(new Error(`doctor printed ${stdout}${stderr}`, { cause: problem }));
      }
    });
  });
}
