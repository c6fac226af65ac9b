// Owns one real `chappe` on free ports: start, readiness, its processes, its log, its end. Never fakes a part of it.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { endedWithTest } from "./children.mjs";
import { until } from "./until.mjs";

/**
 * @typedef {object} State what `--state-file` says
 * @property {{pid: number}} supervisor
 * @property {string} http
 * @property {string} admin
 * @property {{pid: number | null, restarts: number}} signaling
 * @property {{index: number, pid: number | null, media_port: number, restarts: number}[]} workers
 */

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");

export function binary() {
  const target = process.env["CARGO_TARGET_DIR"] ?? path.join(ROOT, "target");
  const file = process.env["CHAPPE_BIN"] ?? path.join(target, "release/chappe");
  if (!existsSync(file)) throw new Error(`${file} is missing: cargo build --release, or set CHAPPE_BIN`);
  return file;
}

export class Server {
  /** Where pages are, such as `http://127.0.0.1:41234`. */
  url = "";
  admin = "";
  #child;
  #folder;
  #netns;
  /** @type {string[]} */
  #log = [];
  /** @type {Promise<unknown>} */
  #ended;

  /**
   * @param {import("node:child_process").ChildProcess} child
   * @param {string} folder
   * @param {string | undefined} netns
   */
  constructor(child, folder, netns) {
    this.#child = child;
    this.#folder = folder;
    this.#netns = netns;
    this.#ended = new Promise((done) => child.once("exit", done));
    for (const pipe of [child.stdout, child.stderr]) pipe?.on("data", (data) => this.#log.push(String(data)));
  }

  /**
   * @param {{workers?: number, host?: string, publicIp?: string, args?: string[], netns?: string, https?: boolean}} [options] `netns`: an
   *   existing network namespace to run in; then the admin API is out of reach from here, the state file is not. `https`: with a
   *   certificate of an authority of its own ({@link authority})
   */
  static async start({ workers = 1, host = "127.0.0.1", publicIp = host, args = [], netns, https = false } = {}) {
    const folder = await mkdtemp(path.join(tmpdir(), "chappe-e2e-"));
    const flags = ["--http", `${host}:0`, "--admin", "127.0.0.1:0", "--media-port", "0", "--public-ip", publicIp];
    const all = [...flags, "--workers", String(workers), "--state-file", path.join(folder, "state.json"), ...(https ? ["--tls", "dev"] : []), ...args];
    const [program = "", ...rest] = netns ? ["ip", "netns", "exec", netns, binary(), ...all] : [binary(), ...all];
    const env = { RUST_LOG: "info", ...process.env, XDG_STATE_HOME: folder };
    const child = endedWithTest(spawn(program, rest, { stdio: ["ignore", "pipe", "pipe"], env }));
    const server = new Server(child, folder, netns);
    try {
      const state = await until("the server writes its state file", () => server.state());
      server.url = `${https ? "https" : "http"}://${state.http}`;
      server.admin = `http://${state.admin}`;
      await until("the server is ready", () => server.ready());
    } catch (error) {
      await server.stop();
      throw new Error(`the server did not start:\n${server.log()}`, { cause: error });
    }
    return server;
  }

  /** @returns {Promise<State>} */
  async state() {
    return JSON.parse(await readFile(path.join(this.#folder, "state.json"), "utf8"));
  }

  async ready() {
    if (this.#netns) return readyInside(this.#netns, `${this.url}/readyz`);
    const response = await fetch(`${this.admin}/readyz`, { signal: AbortSignal.timeout(10_000) });
    await response.body?.cancel();
    return response.ok;
  }

  /** @returns {Promise<any[]>} */
  async workers() {
    return (await fetch(`${this.admin}/api/v1/workers`)).json();
  }

  /** Ends one worker with no warning, and gives back its process id. */
  async killWorker(index = 0) {
    return this.#kill((await this.state()).workers[index]?.pid);
  }

  /** Ends the signaling process with no warning, and gives back its process id. */
  async killSignaling() {
    return this.#kill((await this.state()).signaling.pid);
  }

  /** The file of its certificate authority, if it has made one. */
  get authority() {
    return path.join(this.#folder, "chappe/tls/authority.pem");
  }

  log() {
    return this.#log.join("");
  }

  async stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGINT");
    const late = setTimeout(() => this.#child.kill("SIGKILL"), 5000);
    await this.#ended;
    clearTimeout(late);
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** @param {number | null | undefined} pid */
  #kill(pid) {
    if (!pid) throw new Error("that process does not run now");
    process.kill(pid, "SIGKILL");
    return pid;
  }
}

/**
 * The same question from inside a namespace, which this process is not in.
 * @param {string} netns
 * @param {string} url
 */
async function readyInside(netns, url) {
  const question = `fetch(${JSON.stringify(url)}).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))`;
  const child = spawn("ip", ["netns", "exec", netns, process.execPath, "-e", question], { stdio: "ignore" });
  return new Promise((done) => child.once("exit", (code) => done(code === 0)));
}
