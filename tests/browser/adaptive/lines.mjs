// Owns the diary of what a server in a network namespace says of its viewers: what their lines are thought to carry, and which
// layer is chosen. Never judges it.

import { spawn } from "node:child_process";

import { endedWithTest } from "../harness/children.mjs";

/** @typedef {{atMs: number, id: string, kbps: number, layer: number, layers: number}} Look `layer` from 1, the lowest, to `layers`; 0 for none */

export class Lines {
  #child;
  #text = "";
  #ended;

  /**
   * From now on, each viewer every EACH_MS or so.
   * @param {string} netns
   * @param {string} admin the address of the admin API, which can be reached from there alone
   */
  constructor(netns, admin) {
    const script = `(${watch})(${JSON.stringify(admin)}, ${EACH_MS})`;
    const command = ["netns", "exec", netns, process.execPath, "-e", script];
    this.#child = endedWithTest(spawn("ip", command, { stdio: ["ignore", "pipe", "inherit"] }));
    this.#child.stdout?.on("data", (data) => (this.#text += data));
    this.#ended = new Promise((done) => this.#child.once("close", done));
  }

  /** @returns {Promise<Look[]>} in the order of time */
  async end() {
    this.#child.kill("SIGTERM");
    await this.#ended;
    // The last line may be cut.
    const lines = this.#text.split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line));
  }
}

/**
 * Runs in a process of its own.
 * @param {string} admin
 * @param {number} eachMs
 */
async function watch(admin, eachMs) {
  const of = async (/** @type {string} */ path) => (await fetch(`${admin}/api/v1/sessions${path}`)).json();
  for (;;) {
    const all = /** @type {{id: string, kind: string}[]} */ (await of(""));
    for (const { id } of all.filter(({ kind }) => kind === "whep" || kind === "page_watch")) {
      const { stats } = await of(`/${id}`);
      const video = stats?.sent.find((/** @type {{kind: string}} */ track) => track.kind === "video");
      if (!stats?.line || !video?.layer) continue;
      const { layer, layers } = video.layer;
      console.log(JSON.stringify({ atMs: Date.now(), id, kbps: stats.line.estimate_bps / 1000, layer, layers }));
    }
    await new Promise((done) => setTimeout(done, eachMs));
  }
}

const EACH_MS = 20;
