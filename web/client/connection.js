// Owns the WebSocket: requests and replies, pings, coming back through any server. Never touches media.

/** @import { ServerEvent, Welcome } from "./protocol.js" */
/** @import { Socket } from "./race.js" */
/** @import { LinkEvent, LinkState } from "./state/link.js" */

import { Emitter } from "./emitter.js";
import { FRAME_BYTES_MAX, PROTOCOL_VERSION, RequestError, parseFrame } from "./protocol.js";
import { Race, dropSocket } from "./race.js";
import { retryMs } from "./state/backoff.js";
import { initialLink, updateLink } from "./state/link.js";
import { learnServers, round } from "./state/servers.js";

/**
 * @typedef {object} ConnectionOptions
 * @property {string} url ws:// or wss:// of the page's own server
 * @property {string} room
 * @property {string} [name]
 * @property {string} [token]
 * @property {() => string[]} [sessions] those whose peer connections are still up
 * @property {() => boolean} [mediaFlows] all of the page's media does: then only its server's signaling is gone
 * @property {(url: string) => Socket} [open]
 * @property {() => number} [random]
 */

/** @typedef {{state: LinkState, welcome: Welcome, event: ServerEvent}} ConnectionEvents */

/** @typedef {{resolve: (reply: any) => void, reject: (error: RequestError) => void, timer: ReturnType<typeof setTimeout>}} Pending */

/** @typedef {{sentMs: number, verdict: ReturnType<typeof setTimeout> | undefined}} Probe */

const PING_EVERY_MS = 15_000;
const REPLY_MS_MAX = 10_000;
/** For an answer to a ping when media has stopped as well, unless the way is known to be longer. */
const CHECK_MS = 200;
const CHECK_MS_MAX = 2000;
/** A living server is heard by then, so the next one is asked beside it. */
const STAGGER_MS = 150;
/** How long one of several servers is waited for, and one that is alone. Doubled with each attempt. */
const SHORT = { connectMs: 800, helloMs: 1000 };
const LONG = { connectMs: 4000, helloMs: 4000 };
const LIMIT_MS_MAX = 10_000;
/** A page that runs so long after it could be left has stayed. */
const STAYED_AFTER_MS = 1000;
const HELLO_ID = 0;
/** Close code of one who does not come back. */
const LEAVING = 1000;

/** @extends {Emitter<ConnectionEvents>} */
export class Connection extends Emitter {
  /** @type {LinkState} */
  state = initialLink;
  #options;
  /** @type {(url: string) => Socket} */
  #open;
  #random;
  /** @type {readonly string[]} other servers than the page's own */
  #others = [];
  /** @type {Race | null} */
  #race = null;
  #patient = false;
  /** The last server went without a word: it will hardly take a call, so the next one is called at the same time. */
  #silent = false;
  /** @type {Socket | null} once welcomed */
  #socket = null;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #nextId = HELLO_ID + 1;
  #roundTripMs = 0;
  /** @type {Probe | null} a ping that has no answer yet */
  #probe = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} for the pause or the next ping, by phase */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #stayed;

  /** @param {ConnectionOptions} options */
  constructor(options) {
    super();
    this.#options = { ...options };
    this.#open = options.open ?? ((url) => new WebSocket(url));
    this.#random = options.random ?? Math.random;
    globalThis.addEventListener?.("online", this.#hurry);
    globalThis.addEventListener?.("beforeunload", this.#announceEnd);
  }

  /** Opens the first socket. */
  start() {
    if (this.state === initialLink && !this.#race) this.#enter(this.state);
  }

  close() {
    globalThis.removeEventListener?.("online", this.#hurry);
    globalThis.removeEventListener?.("beforeunload", this.#announceEnd);
    clearTimeout(this.#stayed);
    this.#dispatch({ type: "close" });
  }

  /**
   * Shown to the others from now on. The server learns a name only with a hello.
   * @param {string} name
   */
  rename(name) {
    if (name === (this.#options.name ?? "")) return;
    this.#options.name = name;
    if (this.state.phase === "open") this.#broken("A new hello is needed for another name.");
  }

  /** Media is late: asks whether the server is there, so that {@link check} need not wait for all of the answer. */
  suspect() {
    if (this.state.phase !== "open" || this.#probe) return;
    /** @type {Probe} */
    const probe = { sentMs: performance.now(), verdict: undefined };
    this.#probe = probe;
    const done = () => {
      clearTimeout(probe.verdict);
      if (this.#probe === probe) this.#probe = null;
    };
    this.#ping().then(done, done);
  }

  /** Media stopped: is the server still there? If it does not answer, or is not connected, others are tried at once. */
  check() {
    if (this.state.phase === "waiting") this.#hurry();
    if (this.#race && this.#patient) return this.#connect(false);
    this.suspect();
    const probe = this.#probe;
    if (this.state.phase !== "open" || !probe || probe.verdict !== undefined) return;
    const withinMs = Math.min(Math.max(CHECK_MS, 2 * this.#roundTripMs), CHECK_MS_MAX);
    const leftMs = Math.max(0, probe.sentMs + withinMs - performance.now());
    probe.verdict = setTimeout(() => this.#fellSilent(), leftMs);
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} [fields]
   * @param {number} [withinMs] time for the reply
   * @returns {Promise<any>} the reply; rejects with {@link RequestError}
   */
  request(type, fields = {}, withinMs = REPLY_MS_MAX) {
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
      this.#pending.set(id, { resolve, reject, timer: setTimeout(late, withinMs) });
      socket.send(frame);
    });
  }

  #hurry = () => this.#dispatch({ type: "due" });

  /**
   * The page may be left now, which its person may still be asked. Firefox closes the connection before the page hears
   * of `pagehide`, with a code that a proxy that restarts sends as well; what is said here arrives before it. A page that
   * stays (its person thought better of it, or followed a link to a download) takes it back by a ping. Who is only greeted
   * may be a member already.
   */
  #announceEnd = () => {
    clearTimeout(this.#stayed);
    this.#stayed = setTimeout(() => void this.#ping().catch(() => {}), STAYED_AFTER_MS);
    if (this.#race) this.#race.say(JSON.stringify({ type: "leaving", id: this.#nextId++ }));
    else this.request("leaving").catch(() => {});
  };

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
    if (state.phase !== "greeting") clearTimeout(this.#timer);
    switch (state.phase) {
      case "connecting":
        return this.#connect(state.attempts === 1 && !state.refused && (this.#options.mediaFlows?.() ?? false));
      case "open":
        return this.#pingLater();
      case "waiting":
        this.#drop();
        this.#timer = setTimeout(this.#hurry, retryMs(state.attempts, this.#random(), state.askedMs));
        return;
      case "closed":
        return this.#drop(LEAVING);
    }
  }

  /**
   * @param {boolean} patient signaling that died beside living media takes no connection for a moment, but its node's
   *   socket holds them: it alone is asked. A node that is gone refuses them.
   */
  #connect(patient) {
    const { server, refused, attempts } = this.state;
    this.#race?.end();
    this.#patient = patient && server !== null;
    const { url: own } = this.#options;
    const { connectMs, helloMs } = this.#others.length > 0 ? SHORT : LONG;
    const limit = (/** @type {number} */ ms) => Math.min(Math.max(ms, 6 * this.#roundTripMs) * 2 ** Math.min(Math.max(attempts - 1, 0), 4), LIMIT_MS_MAX);
    this.#race = new Race({
      urls: round({ own, others: this.#others, last: server ?? own, refused, patient: this.#patient }),
      open: this.#open,
      hello: () => this.#hello(),
      limits: { staggerMs: this.#silent ? 0 : Math.max(STAGGER_MS, 2 * this.#roundTripMs), connectMs: limit(connectMs), helloMs: limit(helloMs) },
      onGreeting: () => this.#dispatch({ type: "opened" }),
      onWelcome: ({ socket, url, welcome, tookMs }) => this.#welcomed(socket, url, /** @type {any} */ (welcome), tookMs),
      onLost: ({ error, retryAfterMs, answered }) => {
        if (this.#patient && answered === null) return this.#connect(false);
        this.#dispatch({ type: "refused", error, retryAfterMs, server: answered });
      },
    });
    this.#race.start();
  }

  #hello() {
    const { room, name, token, sessions } = this.#options;
    const hello = { type: "hello", id: HELLO_ID, version: PROTOCOL_VERSION, room, name: name || undefined, token };
    return JSON.stringify({ ...hello, resume: this.state.resume ?? undefined, sessions: sessions?.() ?? [] });
  }

  /**
   * @param {Socket} socket
   * @param {string} url
   * @param {Welcome} welcome
   * @param {number} tookMs
   */
  #welcomed(socket, url, welcome, tookMs) {
    this.#race = null;
    this.#socket = socket;
    this.#roundTripMs = tookMs;
    this.#silent = false;
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = () => this.#broken("The connection to the server broke.");
    socket.onerror = () => this.#broken("The connection to the server broke.");
    const origins = Array.isArray(welcome.servers) ? welcome.servers : [];
    this.#others = learnServers(this.#others, { own: this.#options.url, origins, random: this.#random });
    this.#dispatch({ type: "welcomed", resume: welcome.resume, server: url });
    this.emit("welcome", welcome);
  }

  #pingLater() {
    this.#timer = setTimeout(() => {
      this.#ping().then(() => this.state.phase === "open" && this.#pingLater(), () => {});
    }, PING_EVERY_MS);
  }

  async #ping() {
    const socket = this.#socket;
    const startedMs = performance.now();
    try {
      await this.request("ping");
      this.#roundTripMs = performance.now() - startedMs;
    } catch (error) {
      if (error instanceof RequestError && error.code === "timeout" && socket === this.#socket) this.#fellSilent();
      throw error;
    }
  }

  #fellSilent() {
    this.#silent = true;
    this.#broken("The server stopped answering.");
  }

  /** @param {unknown} data */
  #receive(data) {
    const message = parseFrame(data);
    if (!message) return;
    if (typeof message.id !== "number") return this.emit("event", /** @type {any} */ (message));
    const pending = this.#settle(message.id);
    if (message.type === "error") pending?.reject(errorOf(message));
    else pending?.resolve(message);
  }

  /** @param {string} message */
  #broken(message) {
    this.#dispatch({ type: "broken", error: { code: "disconnected", message } });
  }

  /** @param {number} [code] */
  #drop(code) {
    this.#race?.end(code);
    this.#race = null;
    const socket = this.#socket;
    this.#socket = null;
    if (socket) dropSocket(socket, code);
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
