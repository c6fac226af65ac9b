// Owns a client that is no browser and watches over WHEP, and the diary of what it decodes. Never judges it.

import { spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { endedWithTest } from "./children.mjs";
import { until } from "./until.mjs";

/** @typedef {{frames: number, lines: number, state: string, lost: number}} Seen until now: pictures, and the lines of the last one; packets that did not come */

const HERE = path.dirname(fileURLToPath(import.meta.url));
/** GStreamer's bindings are packages of the system, for its own Python. @type {Record<string, string[]>} */
const CLIENTS = {
  GStreamer: ["/usr/bin/python3", path.join(HERE, "whep_gstreamer.py")],
};

export class Watcher {
  #client;
  #child;
  #ended;
  #log = "";
  /** @type {Seen[]} */
  #seen = [];

  /**
   * @param {string} client
   * @param {string} url of the WHEP endpoint
   * @param {string} netns the network namespace that it watches from
   */
  constructor(client, url, netns) {
    this.#client = client;
    this.#child = endedWithTest(spawn("ip", ["netns", "exec", netns, ...(CLIENTS[client] ?? []), url], { stdio: ["ignore", "pipe", "pipe"] }));
    this.#child.stderr.on("data", (data) => (this.#log += String(data)));
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#seen.push(JSON.parse(line)));
    this.#ended = new Promise((done) => this.#child.once("exit", done));
  }

  /**
   * The first that it tells from now on of which this is true.
   * @param {string} what
   * @param {(seen: Seen) => boolean} is
   */
  async tells(what, is) {
    const from = this.#seen.length;
    try {
      return await until(what, () => this.#seen.slice(from).find(is), { withinMs: 60_000 });
    } catch (error) {
      throw new Error(`${what}: ${this.#client} last told ${JSON.stringify(this.#seen.at(-1))}\n${this.#log}`, { cause: error });
    }
  }

  async end() {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
