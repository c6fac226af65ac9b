// What deploy/ ships, apart from the load balancers: a unit and a compose file that fit the program.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { parse } from "yaml";

import { binary } from "../browser/harness/server.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { Running } from "./harness/process.mjs";

const DEPLOY = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../deploy");
const read = (/** @type {string} */ file) => readFile(path.join(DEPLOY, file), "utf8");
const knownFlags = () => new Set(execFileSync(binary(), ["--help"], { encoding: "utf8" }).match(/--[a-z][a-z-]+/g));

test("the compose file has three nodes, NATS and nginx at the addresses that they use, and flags that exist", async () => {
  const { services, networks, volumes } = parse(await read("compose.yaml"), { merge: true });
  assert.deepEqual(Object.keys(services).sort(), ["nats", "nginx", "node1", "node2", "node3"]);
  const nats = services.nats.networks.cluster.ipv4_address;
  const known = knownFlags();
  for (const name of ["node1", "node2", "node3"]) {
    const { command, networks: at, build } = services[name];
    const value = (/** @type {string} */ flag) => command[command.indexOf(flag) + 1];
    for (const flag of command.filter((/** @type {string} */ word) => word.startsWith("--"))) assert.ok(known.has(flag), `${name}: ${flag}`);
    assert.equal(value("--node"), name);
    assert.equal(value("--public-ip"), at.cluster.ipv4_address);
    assert.equal(value("--cluster"), `nats://${nats}:4222`);
    assert.ok(services.nginx.extra_hosts.includes(`${name}:${at.cluster.ipv4_address}`));
    assert.equal(build.dockerfile, "deploy/Dockerfile");
  }
  assert.ok("cluster" in networks && "nats" in volumes);
  const nginx = await read("nginx.conf");
  for (const name of ["node1", "node2", "node3"]) assert.ok(nginx.includes(`server ${name}:8080 `));
});

test("the image is built from files that are there and started with flags that exist", async () => {
  const dockerfile = await read("Dockerfile");
  const known = knownFlags();
  for (const flag of dockerfile.match(/"--[a-z-]+"/g) ?? []) assert.ok(known.has(flag.slice(1, -1)), flag);
  assert.match(dockerfile, /ENTRYPOINT \["\/usr\/local\/bin\/chappe"\]/);
});

test("the unit is sound", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "chappe-unit-"));
  try {
    const unit = (await read("chappe.service")).replaceAll("/usr/local/bin/chappe", binary());
    await writeFile(path.join(folder, "chappe.service"), unit);
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", path.join(folder, "chappe.service")], { encoding: "utf8" });
    assert.equal(stderr, "");
    assert.equal(status, 0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("what the unit does to stop a node drains it to its end", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "chappe-unit-"));
  const cluster = await Cluster.start({ count: 2 });
  try {
    const node = cluster.node(2);
    const line = (await read("chappe.service")).match(/^ExecStop=-\/bin\/sh -c '(.*)'$/m)?.[1] ?? "";
    assert.ok(line.includes("/usr/local/bin/chappe drain"));
    // As with a file that says where the listener is: nodes of this test have their private folders elsewhere.
    const told = path.join(folder, "operator.env");
    await writeFile(told, `CHAPPE_ADMIN=${node.admin}\n`);
    const command = line.replaceAll("/usr/local/bin/chappe", binary()).replaceAll("/etc/chappe/operator.env", told);
    const stopping = new Running(node.plug, "/bin/sh", ["-c", command], { MAINPID: String(node.running?.pid) });
    assert.deepEqual(await node.running?.ended, { code: 0, signal: null }, stopping.log());
    assert.equal((await stopping.ended).code, 0, stopping.log());
  } finally {
    await cluster.end();
    await rm(folder, { recursive: true, force: true });
  }
});
