// Owns one program inside a namespace, with its log and all of its descendants. Never knows what the program does.

import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";

import { endedWithTest } from "../../browser/harness/children.mjs";
import { until } from "../../browser/harness/until.mjs";

/** What a log keeps: its end is what a failure is explained with. */
const LOG_CHARS_MAX = 4_000_000;

export class Running {
  /** The program's own: `ip netns exec` becomes the program. */
  pid;
  /** @type {Promise<{code: number | null, signal: string | null}>} */
  ended;
  #child;
  #log = "";

  /**
   * @param {import("./fabric.mjs").Plug | null} plug none: where the test itself runs
   * @param {string} program
   * @param {string[]} args
   * @param {Record<string, string>} [env]
   */
  constructor(plug, program, args, env = {}) {
    const [first = "", ...rest] = plug ? ["ip", "netns", "exec", plug.name, program, ...args] : [program, ...args];
    this.#child = endedWithTest(spawn(first, rest, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } }));
    this.ended = new Promise((done) => {
      this.#child.once("exit", (code, signal) => done({ code, signal }));
      this.#child.once("error", () => done({ code: null, signal: null }));
    });
    for (const pipe of [this.#child.stdout, this.#child.stderr]) {
      pipe.on("data", (data) => (this.#log = (this.#log + String(data)).slice(-LOG_CHARS_MAX)));
    }
    this.#child.stdin.on("error", () => {});
    this.pid = this.#child.pid ?? 0;
    if (!this.pid) throw new Error(`${first} did not start`);
  }

  get isRunning() {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get stdout() {
    return this.#child.stdout;
  }

  /** @param {string} text */
  write(text) {
    this.#child.stdin.write(text);
  }

  log() {
    return this.#log;
  }

  /** @param {NodeJS.Signals} signal to the program alone */
  signal(signal) {
    if (this.isRunning) this.#child.kill(signal);
  }

  /**
   * To the program and all that it started, within about a millisecond.
   * @param {NodeJS.Signals} signal
   */
  signalTree(signal) {
    for (const pid of [this.pid, ...descendants(this.pid)]) {
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended meanwhile.
      }
    }
  }

  /** Asks it to end, and ends it when it does not. */
  async end() {
    this.signal("SIGTERM");
    const late = setTimeout(() => this.signalTree("SIGKILL"), 5000);
    await this.ended;
    clearTimeout(late);
  }

  /** No warning at all, as when the power is gone. Comes back when the kernel has taken all of it away. */
  async kill() {
    const pids = descendants(this.pid);
    this.signalTree("SIGKILL");
    await this.ended;
    await until("the processes are gone", () => pids.every((pid) => !isAlive(pid)), { everyMs: 1 });
  }
}

/**
 * @param {number} pid
 * @returns {number[]}
 */
export function descendants(pid) {
  /** @type {Map<number, number[]>} */
  const children = new Map();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const parent = parentOf(Number(entry));
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found = [...(children.get(pid) ?? [])];
  for (let at = 0; at < found.length; at++) found.push(...(children.get(found[at] ?? -1) ?? []));
  return found;
}

/** Whether it still holds its sockets: a process that is dead and not waited for does not. */
function isAlive(/** @type {number} */ pid) {
  const stat = statOf(pid);
  return stat.length > 0 && stat[0] !== "Z";
}

/** @param {number} pid */
function parentOf(pid) {
  return Number(statOf(pid)[1] ?? -1);
}

/**
 * State, parent and what follows; empty when there is no such process.
 * @param {number} pid
 */
function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name, in parentheses, may hold anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}
