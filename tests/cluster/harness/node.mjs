// Owns one node of a cluster: the real `chappe` in a namespace, which can die and come back. Never fakes a part of it.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { binary } from "../../browser/harness/server.mjs";
import { until } from "../../browser/harness/until.mjs";
import { api, status } from "./http.mjs";
import { Running } from "./process.mjs";

/** @typedef {import("../../browser/harness/server.mjs").State} State */
/**
 * @typedef {object} Options
 * @property {string} [cluster] address of NATS; none: alone
 * @property {"up" | "signaling" | "sfu"} [mode]
 * @property {number} [workers]
 * @property {string} [region]
 * @property {"public" | "jwt"} [auth]
 * @property {string[]} [args] more of them
 * @property {string} [name] when it is not to be the node's own
 */

export const HTTP_PORT = 8080;
export const ADMIN_PORT = 8081;

export class ClusterNode {
  name;
  plug;
  url;
  admin;
  /** Set while it runs, and after its end until it is started again. */
  /** @type {Running | null} */
  running = null;
  #options;
  #folder = "";

  /**
   * @param {string} name
   * @param {import("./fabric.mjs").Plug} plug
   * @param {Options} options
   */
  constructor(name, plug, options) {
    this.name = name;
    this.plug = plug;
    this.url = `http://${plug.address}:${HTTP_PORT}`;
    this.admin = `http://${plug.address}:${ADMIN_PORT}`;
    this.#options = options;
  }

  /** Starts it and waits for nothing. */
  async launch() {
    const { cluster, mode = "up", workers = 2, region = this.name, auth = "public", args = [], name = this.name } = this.#options;
    this.#folder ||= await mkdtemp(path.join(tmpdir(), "chappe-cluster-"));
    await rm(this.#stateFile, { force: true });
    const { address } = this.plug;
    const flags = [mode, "--http", `0.0.0.0:${HTTP_PORT}`, "--admin", `${address}:${ADMIN_PORT}`, "--auth", auth, "--admin-auth", "open"];
    flags.push("--public-ip", address, "--state-file", this.#stateFile);
    if (mode !== "signaling") flags.push("--workers", String(workers));
    flags.push("--node", name, "--region", region, ...(cluster ? ["--cluster", cluster] : []), ...args);
    const env = { RUST_LOG: process.env["RUST_LOG"] ?? "info" };
    this.running = new Running(this.plug, binary(), flags, env);
    return this.running;
  }

  async start() {
    const running = await this.launch();
    try {
      await until(`${this.name} is ready`, async () => {
        if (!running.isRunning) throw new Error("it has ended");
        return (await status(`${this.url}/readyz`)) === 200;
      });
    } catch (error) {
      await running.kill();
      throw new Error(`${this.name} did not start:\n${running.log()}`, { cause: error });
    }
  }

  /** @returns {Promise<State>} */
  async state() {
    return JSON.parse(await readFile(this.#stateFile, "utf8"));
  }

  log() {
    return this.running?.log() ?? "";
  }

  /** The node is gone with all its processes, at once. */
  async kill() {
    await this.running?.kill();
  }

  /** @param {number} index */
  async killWorker(index) {
    killPid((await this.state()).workers[index]?.pid);
  }

  async killSignaling() {
    killPid((await this.state()).signaling.pid);
  }

  freeze() {
    this.running?.signalTree("SIGSTOP");
  }

  thaw() {
    this.running?.signalTree("SIGCONT");
  }

  /** @param {number} [deadlineMs] */
  drain(deadlineMs = 20_000) {
    return api(`${this.admin}/api/v1/nodes/${this.name}/drain`, { method: "POST", json: { deadline_ms: deadlineMs } });
  }

  cancelDrain() {
    return api(`${this.admin}/api/v1/nodes/${this.name}/drain`, { method: "DELETE" });
  }

  /**
   * An array of the admin API.
   * @param {string} what such as `workers`
   * @returns {Promise<any[]>}
   */
  list(what) {
    return api(`${this.admin}/api/v1/${what}`);
  }

  /** Workers of this node itself, of all that it tells of. */
  async workers() {
    return (await this.list("workers")).filter((worker) => worker.node === this.name);
  }

  async end() {
    if (this.running) {
      this.thaw();
      await this.running.end();
    }
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
  }

  get #stateFile() {
    return path.join(this.#folder, "state.json");
  }
}

/** @param {number | null | undefined} pid */
function killPid(pid) {
  if (!pid) throw new Error("that process does not run now");
  process.kill(pid, "SIGKILL");
}
