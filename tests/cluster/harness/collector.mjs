// Owns a collector of traces in a namespace of its own: it can be killed and come back. Never judges what it is told.

import path from "node:path";
import { fileURLToPath } from "node:url";

import { until } from "../../browser/harness/until.mjs";
import { accepts } from "./nats.mjs";
import { Running } from "./process.mjs";

/**
 * @typedef {Record<string, unknown> & {trace: string, span: string, parent: string, name: string, kind: number, failed: boolean}} Span
 * with its attributes and those of who told it
 */

const PORT = 4318;
const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.resolve(HERE, "../../..");

export class Collector {
  url;
  #plug;
  /** @type {Running | null} */
  #running = null;

  /** @param {import("./fabric.mjs").Plug} plug */
  constructor(plug) {
    this.#plug = plug;
    this.url = `http://${plug.address}:${PORT}`;
  }

  async start() {
    const python = process.env["CHAPPE_PYTHON"] ?? path.join(ROOT, ".venv/bin/python");
    const running = new Running(this.#plug, python, [path.join(HERE, "collector.py"), this.#plug.address, String(PORT)]);
    this.#running = running;
    await until("the collector listens", () => accepts(this.#plug.address, PORT)).catch((error) => {
      throw new Error(`the collector did not start:\n${running.log()}`, { cause: error });
    });
  }

  /**
   * Spans of which it was told since it was started.
   * @returns {Span[]}
   */
  spans() {
    const log = this.#running?.log() ?? "";
    const lines = log.slice(0, log.lastIndexOf("\n") + 1).split("\n").filter((line) => line !== "");
    const told = lines.map((line) => JSON.parse(line));
    const problem = told.find((line) => line.problem);
    if (problem) throw new Error(`the collector can't read what it is told: ${JSON.stringify(problem)}`);
    return told;
  }

  async kill() {
    await this.#running?.kill();
  }
}
