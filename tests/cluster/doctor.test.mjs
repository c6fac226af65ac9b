// What `chappe doctor` finds from another machine: that all is well, a firewall that drops, a store that is gone, and
// certificates that clients refuse.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { binary } from "../browser/harness/server.mjs";
import { Authority } from "../browser/harness/trust.mjs";
import { until } from "../browser/harness/until.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { CLIENT_ADDRESS, FIRST_NODE_HOST, addressOf, run } from "./harness/fabric.mjs";
import { status } from "./harness/http.mjs";
import { TURN_PORT, mediaPortOf, startTurnNode, turnOptions } from "./harness/turn.mjs";

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

describe("doctor looks at TLS as clients do", () => {
  const address = addressOf(FIRST_NODE_HOST);
  /** @type {Cluster} */
  let cluster;
  /** @type {Authority} */
  let authority;
  let folder = "";
  before(async () => {
    cluster = new Cluster({});
    authority = await Authority.make();
    cluster.alsoEnd(() => authority.end());
    folder = await mkdtemp(path.join(tmpdir(), "chappe-doctor-"));
    cluster.alsoEnd(() => rm(folder, { recursive: true, force: true }));
    serve(authority.certify(address));
    const tls = ["--tls-cert", path.join(folder, "certificate.pem"), "--tls-key", path.join(folder, "key.pem")];
    await started(turnOptions(tls));
  });
  after(() => cluster?.end());

  test("a certificate by an authority that this machine trusts is good", async () => {
    const { findings } = await examine(cluster.node(1), trusting());
    assert.deepEqual(verdicts(findings), ["ok", "ok"], JSON.stringify([...findings.values()]));
    assert.equal(findings.get("pages")?.found, `${address}:8080`);
  });

  test("one by nobody whom it trusts fails", async () => {
    const { code, findings } = await examine(cluster.node(1), nobody());
    assert.equal(code, 1);
    assert.deepEqual(verdicts(findings), ["fail", "fail"]);
    assert.equal(findings.get("pages")?.found, `${address}:8080: its certificate is by nobody whom this machine trusts`);
    assert.match(findings.get("pages")?.remedy ?? "", /fullchain\.pem/);
  });

  for (const [how, make, found, remedy] of /** @type {const} */ ([
    ["has expired", () => authority.certify(address, { days: -1 }), "its certificate has expired", /renew the files of --tls-cert/],
    ["is for another name", () => authority.certify("other.test"), `its certificate is not for ${address}`, /subjectAltName/],
  ])) {
    test(`one that ${how} fails`, async () => {
      serve(make());
      const examined = await until("it is served", async () => {
        const { code, findings } = await examine(cluster.node(1), trusting());
        return findings.get("pages")?.found === `${address}:8080: ${found}` ? { code, findings } : null;
      });
      assert.equal(examined.code, 1);
      assert.deepEqual(verdicts(examined.findings), ["fail", "fail"]);
      for (const what of ["pages", "TURN"]) assert.match(examined.findings.get(what)?.remedy ?? "", remedy);
      assert.equal(examined.findings.get("TURN")?.found, `${address}:${TURN_PORT}: ${found}`, "plain TURN is well");
    });
  }

  test("one for development is a warning that says how to trust it, and what is behind it is asked all the same", async () => {
    process.env["XDG_STATE_HOME"] = folder;
    const node = await started(turnOptions(["--tls", "dev"]));
    delete process.env["XDG_STATE_HOME"];
    const { code, findings } = await examine(node, nobody());
    assert.equal(code, 0);
    assert.deepEqual(verdicts(findings), ["warn", "warn"]);
    assert.match(findings.get("pages")?.found ?? "", new RegExp(`${node.plug.address}:8080: a certificate for development`));
    assert.match(findings.get("pages")?.remedy ?? "", /`trust`.*certificate authority/);
    const { findings: trusted } = await examine(node, { SSL_CERT_FILE: path.join(folder, "chappe/tls/authority.pem") });
    assert.deepEqual(verdicts(trusted), ["ok", "ok"], JSON.stringify([...trusted.values()]));
  });

  test("a server that takes the connection and says nothing, or something else, is no TURN server", async () => {
    let greeting = "";
    const other = createServer((socket) => {
      socket.on("error", () => {});
      if (greeting) socket.end(greeting);
    });
    await new Promise((done) => other.listen(0, CLIENT_ADDRESS, () => done(undefined)));
    cluster.alsoEnd(() => void other.close());
    const place = other.address();
    assert.ok(place && typeof place === "object");
    const secret = path.join(folder, "secret");
    run(`cp ${authority.certificate} ${secret}`);
    const urls = [`turn:${CLIENT_ADDRESS}:${place.port}?transport=tcp`, `turns:${CLIENT_ADDRESS}:${place.port}?transport=tcp`];
    const node = await started({ workers: 1, args: ["--turn-url", urls.join(","), "--turn-secret", secret] });
    const at = `${CLIENT_ADDRESS}:${place.port}`;
    for (const [says, found] of /** @type {const} */ ([
      ["", `${at}: no answer, ${at}: no answer`],
      ["220 mail.example.org ESMTP ready\r\n", `${at}: it does not speak TURN, ${at}: it does not speak TLS`],
    ])) {
      greeting = says;
      const { code, findings } = await examine(node, trusting());
      assert.equal(code, 1);
      const { verdict, found: told, remedy } = findings.get("TURN") ?? assert.fail("TURN");
      assert.deepEqual([verdict, told], ["fail", found]);
      assert.match(remedy, /--turn-url/);
    }
  });

  async function started(/** @type {import("./harness/cluster.mjs").NodeOptions} */ options) {
    const node = cluster.make({ cluster: "", ...options });
    const running = await node.launch();
    await until(`${node.name} is ready`, async () => (await status(`${node.admin}/readyz`)) === 200).catch((error) => {
      throw new Error(running.log(), { cause: error });
    });
    return node;
  }

  function serve(/** @type {{certificate: string, key: string}} */ { certificate, key }) {
    copyFileSync(certificate, path.join(folder, "certificate.pem"));
    copyFileSync(key, path.join(folder, "key.pem"));
  }

  const trusting = () => ({ SSL_CERT_FILE: authority.certificate });

  /** A machine that trusts another authority. */
  const nobody = () => ({ SSL_CERT_FILE: path.join(folder, "certificate.pem") });
});

/** Of what is asked over TLS. @param {Map<string, Finding>} findings */
function verdicts(findings) {
  return ["pages", "TURN"].map((what) => findings.get(what)?.verdict);
}

/**
 * @param {ClusterNode} node
 * @param {Record<string, string>} [env]
 * @returns {Promise<{code: number, findings: Map<string, Finding>}>}
 */
function examine(node, env = {}) {
  return new Promise((done, fail) => {
    execFile(binary(), ["doctor", "--json", "--admin", node.admin], { env: { ...process.env, ...env } }, (error, stdout, stderr) => {
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
