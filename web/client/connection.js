// Owns the WebSocket: hello and resume, requests and replies, pings, reconnecting. Never touches media.

/** @import { ServerEvent, Welcome } from "./protocol.js" */
/** @import { LinkEvent, LinkState } from "./state/link.js" */

import { Emitter } from "./emitter.js";
import { FRAME_BYTES_MAX, PROTOCOL_VERSION, RequestError, parseFrame } from "./protocol.js";
import { pauseMs } from "./state/backoff.js";
import { initialLink, updateLink } from "./state/link.js";

/**
 * The part of WebSocket that is used.
 * @typedef {Pick<WebSocket, "send" | "close" | "onopen" | "onmessage" | "onclose" | "onerror">} Socket
 */

/**
 * @typedef {object} ConnectionOptions
 * @property {string} url ws:// or wss://
 * @property {string} room
 * @property {string} [name]
 * @property {string} [token]
 * @property {() => string[]} [sessions] those whose peer connections are still up
 * @property {(url: string) => Socket} [open]
 * @property {() => number} [random]
 */

/** @typedef {{state: LinkState, welcome: Welcome, event: ServerEvent}} ConnectionEvents */

/** @typedef {{resolve: (reply: any) => void, reject: (error: RequestError) => void, timer: ReturnType<typeof setTimeout>}} Pending */

const PING_EVERY_MS = 15_000;
const REPLY_MS_MAX = 10_000;
const HELLO_ID = 0;

/** @extends {Emitter<ConnectionEvents>} */
export class Connection extends Emitter {
  /** @type {LinkState} */
  state = initialLink;
  #options;
  /** @type {(url: string) => Socket} */
  #open;
  #random;
  /** @type {Socket | null} */
  #socket = null;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #nextId = HELLO_ID + 1;
  /** @type {ReturnType<typeof setTimeout> | undefined} for the pause, the hello or the next ping, by phase */
  #timer;

  /** @param {ConnectionOptions} options */
  constructor(options) {
    super();
    this.#options = options;
    this.#open = options.open ?? ((url) => new WebSocket(url));
    this.#random = options.random ?? Math.random;
    globalThis.addEventListener?.("online", this.#hurry);
  }

  /** Opens the first socket. */
  start() {
    if (this.state === initialLink && !this.#socket) this.#enter(this.state);
  }

  close() {
    globalThis.removeEventListener?.("online", this.#hurry);
    this.#dispatch({ type: "close" });
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} [fields]
   * @returns {Promise<any>} the reply; rejects with {@link RequestError}
   */
  request(type, fields = {}) {
    if (this.state.phase !== "open" || !this.#socket) {
      return Promise.reject(new RequestError("disconnected", "There is no connection to the server right now."));
    }
    const id = this.#nextId++;
    const frame = JSON.stringify({ type, id, ...fields });
    if (frame.length > FRAME_BYTES_MAX) {
      return Promise.reject(new RequestError("bad_message", `This request is larger than ${FRAME_BYTES_MAX} bytes.`));
    }
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const late = () => this.#settle(id)?.reject(new RequestError("timeout", "The server did not answer in time."));
      this.#pending.set(id, { resolve, reject, timer: setTimeout(late, REPLY_MS_MAX) });
      socket.send(frame);
    });
  }

  #hurry = () => this.#dispatch({ type: "due" });

  /** @param {LinkEvent} event */
  #dispatch(event) {
    const before = this.state;
    this.state = updateLink(before, event);
    if (this.state === before) return;
    if (this.state.phase !== before.phase) this.#enter(this.state);
    this.emit("state", this.state);
  }

  /** @param {LinkState} state */
  #enter(state) {
    clearTimeout(this.#timer);
    switch (state.phase) {
      case "connecting":
        return this.#connect();
      case "greeting":
        return this.#greet(state);
      case "open":
        return this.#pingLater();
      case "waiting":
        this.#drop();
        this.#timer = setTimeout(this.#hurry, pauseMs(state.attempts - 1, this.#random(), state.askedMs));
        return;
      case "closed":
        return this.#drop();
    }
  }

  #connect() {
    const socket = this.#open(this.#options.url);
    this.#socket = socket;
    socket.onopen = () => this.#dispatch({ type: "opened" });
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = () => this.#broken("The connection to the server broke.");
    socket.onerror = () => this.#broken("The server could not be reached.");
    this.#timer = setTimeout(() => this.#broken("The server did not answer."), REPLY_MS_MAX);
  }

  /** @param {LinkState} state */
  #greet(state) {
    const { room, name, token, sessions } = this.#options;
    const hello = { type: "hello", id: HELLO_ID, version: PROTOCOL_VERSION, room, name, token, resume: state.resume ?? undefined };
    this.#socket?.send(JSON.stringify({ ...hello, sessions: sessions?.() ?? [] }));
    this.#timer = setTimeout(() => this.#broken("The server did not answer."), REPLY_MS_MAX);
  }

  #pingLater() {
    this.#timer = setTimeout(() => {
      this.request("ping").then(
        () => this.state.phase === "open" && this.#pingLater(),
        (error) => error.code === "timeout" && this.#broken("The server stopped answering."),
      );
    }, PING_EVERY_MS);
  }

  /** @param {unknown} data */
  #receive(data) {
    const message = parseFrame(data);
    if (!message) return;
    if (this.state.phase === "greeting") return this.#greeted(message);
    if (typeof message.id !== "number") return this.emit("event", /** @type {any} */ (message));
    const pending = this.#settle(message.id);
    if (message.type === "error") pending?.reject(errorOf(message));
    else pending?.resolve(message);
  }

  /** @param {Record<string, unknown> & {type: string}} message */
  #greeted(message) {
    if (message.type === "welcome") {
      const welcome = /** @type {Welcome} */ (/** @type {unknown} */ (message));
      this.#dispatch({ type: "welcomed", resume: welcome.resume });
      this.emit("welcome", welcome);
    } else if (message.type === "error") {
      const { code, message: text, retryAfterMs } = errorOf(message);
      this.#dispatch({ type: "refused", error: { code, message: text }, retryAfterMs });
    }
  }

  /** @param {string} message */
  #broken(message) {
    this.#dispatch({ type: "broken", error: { code: "disconnected", message } });
  }

  /** Forgets the socket at once: a close handshake with a dead server would take minutes. */
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
      socket.close();
    }
    for (const id of [...this.#pending.keys()]) {
      this.#settle(id)?.reject(new RequestError("disconnected", "The connection to the server broke."));
    }
  }

  /** @param {number} id */
  #settle(id) {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(pending?.timer);
    return pending;
  }
}

/** @param {Record<string, unknown>} message */
function errorOf(message) {
  const { error, message: text, retry_after_ms: retry } = message;
  return new RequestError(String(error), String(text ?? error), typeof retry === "number" ? retry : undefined);
}
