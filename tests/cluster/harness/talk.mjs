// Owns a conversation with a program of ours: commands as lines, events as lines of JSON. Never knows what they mean.

import { existsSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { GIVEN_UP_AFTER_MS } from "../../browser/harness/until.mjs";
import { Running } from "./process.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");

/**
 * @param {string} name of the program
 * @param {string} variable that says where it is
 */
export function tool(name, variable) {
  const target = process.env["CARGO_TARGET_DIR"] ?? path.join(ROOT, "target");
  const file = process.env[variable] ?? path.join(target, "release", name);
  if (!existsSync(file)) throw new Error(`${file} is missing: make clients`);
  return file;
}

export class Talk {
  running;
  /** @type {{event: string, take: (value: any) => void}[]} */
  #waiting = [];

  /**
   * @param {string} program
   * @param {string[]} args
   */
  constructor(program, args) {
    // What it says last is what is told, and a backtrace says nothing of why a server refused.
    this.running = new Running(null, program, args, { RUST_LIB_BACKTRACE: "0" });
    createInterface({ input: this.running.stdout }).on("line", (line) => {
      const value = JSON.parse(line);
      const at = this.#waiting.findIndex((one) => one.event === value.event);
      if (at >= 0) this.#waiting.splice(at, 1)[0]?.take(value);
    });
  }

  /**
   * @param {string} command
   */
  say(command) {
    this.running.write(`${command}\n`);
  }

  /**
   * The next event of this name.
   * @param {string} event
   * @param {number} [withinMs]
   * @returns {Promise<any>}
   */
  hear(event, withinMs = GIVEN_UP_AFTER_MS) {
    /** @type {NodeJS.Timeout} */
    let late;
    return new Promise((take, fail) => {
      this.#waiting.push({ event, take });
      const failed = (/** @type {string} */ why) => fail(new Error(`no ${event}: ${why}\n${this.running.log().slice(-2000)}`));
      late = setTimeout(() => failed(`not within ${withinMs} ms`), withinMs);
      void this.running.ended.then(() => failed("the program has ended"));
    }).finally(() => clearTimeout(late));
  }

  /**
   * It was told to end; who does not within this time is ended.
   * @param {number} withinMs
   */
  async ended(withinMs) {
    const late = setTimeout(() => void this.running.kill(), withinMs);
    await this.running.ended;
    clearTimeout(late);
  }

  async end() {
    await this.running.end();
  }
}
