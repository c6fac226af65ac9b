// Owns a client of the pages' WebSocket protocol, without a page. Never touches media.

import { WebSocket } from "ws";

const REPLY_WITHIN_MS = 30_000;

export class Wire {
  /** All that came without being asked for, the oldest first. */
  /** @type {any[]} */
  events = [];
  /** @type {any} */
  welcome = null;
  #socket;
  #nextId = 1;
  /** @type {Map<number, {take: (message: any) => void, fail: (error: Error) => void}>} */
  #waiting = new Map();
  /** @type {Set<() => void>} */
  #watchers = new Set();

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.#socket = socket;
    socket.on("message", (data) => this.#read(JSON.parse(String(data))));
    socket.on("close", () => {
      for (const { fail } of this.#waiting.values()) fail(new Error("the connection is closed"));
      this.#waiting.clear();
    });
    socket.on("error", () => {});
  }

  /**
   * @param {{url: string}} place
   * @param {{room: string, name?: string, resume?: string, sessions?: string[], token?: string}} hello
   */
  static async join(place, hello) {
    const socket = new WebSocket(`${place.url.replace("http", "ws")}/ws`, { origin: place.url, handshakeTimeout: REPLY_WITHIN_MS });
    await new Promise((open, fail) => {
      socket.once("open", () => open(undefined));
      socket.once("error", fail);
    });
    const wire = new Wire(socket);
    wire.welcome = await wire.ask("hello", { version: 1, ...hello });
    return wire;
  }

  get isOpen() {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /**
   * The reply; an `error` is thrown.
   * @param {string} type
   * @param {object} [fields]
   * @returns {Promise<any>}
   */
  ask(type, fields = {}) {
    const id = this.#nextId++;
    /** @type {NodeJS.Timeout} */
    let late;
    return new Promise((take, fail) => {
      this.#waiting.set(id, { take, fail });
      late = setTimeout(() => fail(new Error(`no reply to ${type} within ${REPLY_WITHIN_MS} ms`)), REPLY_WITHIN_MS);
      this.#socket.send(JSON.stringify({ type, id, ...fields }));
    }).finally(() => {
      clearTimeout(late);
      this.#waiting.delete(id);
    });
  }

  /**
   * The first event, of those that came and those to come, for which this holds.
   * @param {(event: any) => boolean} wanted
   * @param {number} [withinMs]
   * @returns {Promise<any>}
   */
  heard(wanted, withinMs = REPLY_WITHIN_MS) {
    return new Promise((take, fail) => {
      const late = setTimeout(() => {
        this.#watchers.delete(look);
        fail(new Error(`not heard within ${withinMs} ms; heard: ${JSON.stringify(this.events).slice(-1000)}`));
      }, withinMs);
      const look = () => {
        const found = this.events.find(wanted);
        if (!found) return;
        clearTimeout(late);
        this.#watchers.delete(look);
        take(found);
      };
      this.#watchers.add(look);
      look();
    });
  }

  /** As a page that is closed by its person: it does not come back. */
  leave() {
    this.#socket.close(1000);
  }

  /** As a network that fails. */
  close() {
    this.#socket.terminate();
  }

  /** @param {any} message */
  #read(message) {
    const waiting = message.id === undefined ? undefined : this.#waiting.get(message.id);
    if (!waiting) {
      this.events.push(message);
      for (const look of [...this.#watchers]) look();
    } else if (message.type === "error") {
      waiting.fail(new Error(`${message.error}: ${message.message}`));
    } else {
      waiting.take(message);
    }
  }
}
