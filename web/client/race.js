// Owns one attempt to be let in by any of several servers: the first that opens is greeted, and the others wait in
// case it does not answer. Never decides when to try again.

/** @import { Problem } from "./state/link.js" */

import { parseFrame } from "./protocol.js";
import { isFinal } from "./state/link.js";

/**
 * The part of WebSocket that is used.
 * @typedef {Pick<WebSocket, "send" | "close" | "onopen" | "onmessage" | "onclose" | "onerror">} Socket
 */

/**
 * @typedef {object} RaceOptions
 * @property {readonly string[]} urls in the order in which they are tried
 * @property {(url: string) => Socket} open
 * @property {() => string} hello the first frame
 * @property {{staggerMs: number, connectMs: number, helloMs: number}} limits
 * @property {(url: string) => void} onGreeting
 * @property {(won: {socket: Socket, url: string, welcome: Record<string, unknown>, tookMs: number}) => void} onWelcome
 * @property {(lost: {error: Problem, retryAfterMs: number, answered: string | null}) => void} onLost `answered`: the
 *   last one that opened and did not let us in
 */

/** @typedef {{url: string, socket: Socket, open: boolean, timer: ReturnType<typeof setTimeout>}} Runner */

export class Race {
  #options;
  /** @type {string[]} not tried yet */
  #ahead;
  /** @type {Set<Runner>} */
  #running = new Set();
  /** @type {Runner | null} */
  #greeted = null;
  #greetedMs = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #nextTimer;
  /** @type {Problem} */
  #error = { code: "disconnected", message: "The server could not be reached." };
  #retryAfterMs = 0;
  /** @type {string | null} */
  #answered = null;
  #over = false;

  /** @param {RaceOptions} options */
  constructor(options) {
    this.#options = options;
    this.#ahead = [...options.urls];
  }

  start() {
    this.#next();
  }

  /**
   * Closes what is open, and says nothing any more.
   * @param {number} [code] why, for the servers
   */
  end(code) {
    this.#over = true;
    clearTimeout(this.#nextTimer);
    for (const runner of this.#running) this.#close(runner, code);
    this.#running.clear();
  }

  /**
   * Says more to who was greeted and has not answered yet: it may have let us in already.
   * @param {string} frame
   */
  say(frame) {
    this.#greeted?.socket.send(frame);
  }

  /** Starts the next one; and the one after it, when this one has not opened soon. */
  #next() {
    clearTimeout(this.#nextTimer);
    const url = this.#ahead.shift();
    if (this.#over || url === undefined) return this.#lostByAll();
    const { connectMs, staggerMs } = this.#options.limits;
    const socket = this.#options.open(url);
    /** @type {Runner} */
    const runner = { url, socket, open: false, timer: setTimeout(() => this.#fail(runner, "The server did not answer."), connectMs) };
    this.#running.add(runner);
    socket.onopen = () => this.#opened(runner);
    socket.onclose = () => this.#fail(runner, "The connection to the server broke.");
    socket.onerror = () => this.#fail(runner, "The server could not be reached.");
    socket.onmessage = ({ data }) => this.#receive(runner, data);
    if (this.#ahead.length > 0) this.#nextTimer = setTimeout(() => this.#next(), staggerMs);
  }

  /** @param {Runner} runner */
  #opened(runner) {
    runner.open = true;
    clearTimeout(runner.timer);
    if (!this.#greeted) this.#greet(runner);
  }

  /** @param {Runner} runner */
  #greet(runner) {
    clearTimeout(this.#nextTimer);
    this.#greeted = runner;
    this.#answered = runner.url;
    runner.timer = setTimeout(() => this.#fail(runner, "The server did not answer."), this.#options.limits.helloMs);
    this.#greetedMs = performance.now();
    this.#options.onGreeting(runner.url);
    runner.socket.send(this.#options.hello());
  }

  /**
   * @param {Runner} runner
   * @param {unknown} data
   */
  #receive(runner, data) {
    const message = parseFrame(data);
    if (!message || runner !== this.#greeted) return;
    if (message.type === "welcome") {
      this.#running.delete(runner);
      clearTimeout(runner.timer);
      this.end();
      const tookMs = performance.now() - this.#greetedMs;
      this.#options.onWelcome({ socket: runner.socket, url: runner.url, welcome: message, tookMs });
    } else if (message.type === "error") {
      const error = { code: String(message["error"]), message: String(message["message"] ?? message["error"]) };
      const retry = message["retry_after_ms"];
      this.#retryAfterMs = Math.max(this.#retryAfterMs, typeof retry === "number" ? retry : 0);
      if (isFinal(error)) this.#ahead = [];
      this.#fail(runner, error.message, error.code);
    }
  }

  /**
   * @param {Runner} runner
   * @param {string} message
   * @param {string} [code]
   */
  #fail(runner, message, code = "disconnected") {
    if (this.#over || !this.#running.delete(runner)) return;
    this.#close(runner);
    if (runner === this.#greeted || !this.#answered) this.#error = { code, message };
    if (runner === this.#greeted) this.#greeted = null;
    if (isFinal(this.#error)) return this.#lose();
    const waiting = this.#greeted ? undefined : [...this.#running].find((r) => r.open);
    if (waiting) return this.#greet(waiting);
    if (!this.#greeted) this.#next();
  }

  #lostByAll() {
    if (!this.#over && this.#running.size === 0) this.#lose();
  }

  #lose() {
    this.end();
    this.#options.onLost({ error: this.#error, retryAfterMs: this.#retryAfterMs, answered: this.#answered });
  }

  /**
   * Forgets the socket at once: a close handshake with a dead server would take minutes.
   * @param {Runner} runner
   * @param {number} [code]
   */
  #close({ socket, timer }, code) {
    clearTimeout(timer);
    dropSocket(socket, code);
  }
}

/**
 * @param {Socket} socket
 * @param {number} [code] why, for the server
 */
export function dropSocket(socket, code) {
  socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
  socket.close(code);
}
