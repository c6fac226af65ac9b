// Owns a real nats-server with JetStream in a namespace of its own: it can be killed, come back, and forget all.

import { connect } from "node:net";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { until } from "../../browser/harness/until.mjs";
import { Running } from "./process.mjs";

const PORT = 4222;
const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");

export class Nats {
  plug;
  url;
  #folder = "";
  /** @type {Running | null} */
  #running = null;

  /** @param {import("./fabric.mjs").Plug} plug */
  constructor(plug) {
    this.plug = plug;
    this.url = `nats://${plug.address}:${PORT}`;
  }

  async start() {
    const program = process.env["CHAPPE_NATS_SERVER"] ?? path.join(ROOT, ".venv/bin/nats-server");
    if (!existsSync(program)) throw new Error(`${program} is missing: make tools`);
    this.#folder ||= await mkdtemp(path.join(tmpdir(), "chappe-nats-"));
    const args = ["-a", this.plug.address, "-p", String(PORT), "-js", "-sd", this.#folder, "-n", "n1"];
    const running = new Running(this.plug, program, args);
    this.#running = running;
    await until("NATS listens", () => accepts(this.plug.address, PORT)).catch((error) => {
      throw new Error(`nats-server did not start:\n${running.log()}`, { cause: error });
    });
  }

  async kill() {
    await this.#running?.kill();
  }

  /** As if its disk had been replaced. Only while it does not run. */
  async wipe() {
    await rm(this.#folder, { recursive: true, force: true });
  }

  async end() {
    await this.#running?.kill();
    if (this.#folder) await this.wipe();
  }
}

/**
 * @param {string} host
 * @param {number} port
 * @returns {Promise<boolean>}
 */
export function accepts(host, port) {
  return new Promise((done) => {
    const socket = connect({ host, port, timeout: 500 });
    const finish = (/** @type {boolean} */ yes) => {
      socket.destroy();
      done(yes);
    };
    socket.once("connect", () => finish(true));
    socket.once("error", () => finish(false));
    socket.once("timeout", () => finish(false));
  });
}
