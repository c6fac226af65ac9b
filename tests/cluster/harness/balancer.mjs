// Owns a load balancer in a namespace of its own, with the configuration that deploy/ ships: addresses, ports and the
// paths of its own files are replaced, the lines for TLS are taken in where a test wants them, and nothing else.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { until } from "../../browser/harness/until.mjs";
import { accepts } from "./nats.mjs";
import { HTTP_PORT } from "./node.mjs";
import { Running } from "./process.mjs";

/** @typedef {"nginx" | "haproxy"} Kind */

const DEPLOY = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../deploy");
/** Where the file listens as it is, and with its lines for TLS. */
const PORT = 80;
const PORT_OF_TLS = 443;

export class Balancer {
  url;
  #running;
  #folder;

  /**
   * @param {Running} running
   * @param {string} url
   * @param {string} folder
   */
  constructor(running, url, folder) {
    this.#running = running;
    this.url = url;
    this.#folder = folder;
  }

  /**
   * @param {Kind} kind
   * @param {import("./fabric.mjs").Plug} plug
   * @param {import("./node.mjs").ClusterNode[]} nodes three, as the files say
   * @param {import("../../browser/harness/trust.mjs").Authority} [authority] of nginx's certificate, which then ends TLS
   */
  static async start(kind, plug, nodes, authority) {
    const folder = await mkdtemp(path.join(tmpdir(), `chappe-${kind}-`));
    const { file, program, args } = PROGRAMS[kind](folder);
    const text = templated(await readFile(path.join(DEPLOY, file), "utf8"), folder, nodes);
    await writeFile(path.join(folder, file), authority ? withTls(text, authority.certify(plug.address)) : text);
    const running = new Running(plug, program, args);
    const balancer = new Balancer(running, `${authority ? "https" : "http"}://${plug.address}`, folder);
    try {
      await until(`${kind} listens`, () => {
        if (!running.isRunning) throw new Error("it has ended");
        return accepts(plug.address, authority ? PORT_OF_TLS : PORT);
      });
    } catch (error) {
      await balancer.end();
      throw new Error(`${kind} did not start:\n${running.log()}`, { cause: error });
    }
    return balancer;
  }

  log() {
    return this.#running.log();
  }

  async end() {
    await this.#running.end();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** @type {Record<Kind, (folder: string) => {file: string, program: string, args: string[]}>} */
const PROGRAMS = {
  nginx: (folder) => ({
    file: "nginx.conf",
    program: "/usr/sbin/nginx",
    args: ["-p", folder, "-c", path.join(folder, "nginx.conf"), "-e", "stderr", "-g", "daemon off;"],
  }),
  haproxy: (folder) => ({
    file: "haproxy.cfg",
    program: "/usr/sbin/haproxy",
    args: ["-db", "-f", path.join(folder, "haproxy.cfg")],
  }),
};

/**
 * @param {string} text
 * @param {string} folder
 * @param {import("./node.mjs").ClusterNode[]} nodes
 */
function templated(text, folder, nodes) {
  const named = nodes.reduce((all, node, at) => all.replaceAll(`node${at + 1}:8080`, `${node.plug.address}:${HTTP_PORT}`), text);
  if (/node\d:8080/.test(named)) throw new Error("the file in deploy/ names more nodes than there are");
  return named.replaceAll("/run/nginx-chappe.pid", path.join(folder, "nginx.pid"));
}

/**
 * As the comment in nginx.conf says: its lines for TLS in place of the one above them.
 * @param {string} text
 * @param {{certificate: string, key: string}} files
 */
function withTls(text, files) {
  const tls = text.match(/^ *listen 80;\n\n(?: *# .*\n)*((?: *#(?:listen|ssl_)\S* .*\n)+)/m);
  if (!tls?.[1]) throw new Error("nginx.conf has no lines for TLS below `listen 80`");
  const lines = tls[1].replaceAll("#", "");
  const named = lines.replace(/(ssl_certificate +)\S+;/, `$1${files.certificate};`).replace(/(ssl_certificate_key +)\S+;/, `$1${files.key};`);
  return text.replace(tls[0], named);
}
