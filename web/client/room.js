// Owns the façade that pages import: one room, its link, what is published and watched. Never draws.

/** @import { PublishOptions } from "./media/publisher.js" */
/** @import { View } from "./media/watcher.js" */
/** @import { Stream } from "./protocol.js" */
/** @import { Chat } from "./state/chat.js" */
/** @import { LinkState, Problem } from "./state/link.js" */
/** @import { People } from "./state/people.js" */
/** @import { Speaking } from "./state/speaking.js" */
/** @import { Wanted } from "./state/slots.js" */

import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { RoomChat } from "./chat.js";
import { pageCertificate } from "./media/certificate.js";
import { Publisher } from "./media/publisher.js";
import { Watcher } from "./media/watcher.js";
import { RequestError } from "./protocol.js";
import { audienceOf } from "./state/audience.js";
import { homeOf, socketUrl } from "./state/servers.js";
import { nobodySpeaks, updateSpeaking } from "./state/speaking.js";
import { noStreams, updateStreams } from "./state/streams.js";

// While the page is still being set up, long before something is offered.
pageCertificate.prepare();

/**
 * @typedef {object} RoomOptions
 * @property {string} room
 * @property {string | URL} [url] of the server, such as `https://media.example`; default: the page's own
 * @property {string} [name] shown to others
 * @property {string} [token]
 */

/**
 * `track` comes once per stream and medium that can be put into a media element; `views` has all of them.
 * @typedef {{streams: Stream[], speaking: Speaking, track: View, views: View[], chat: Chat, people: People, state: LinkState, error: Problem}} RoomEvents
 */

/** @extends {Emitter<RoomEvents>} */
export class Room extends Emitter {
  /** Own member id, once joined. */
  member = "";
  #link;
  /** @type {import("./state/streams.js").Streams} */
  #streams = noStreams;
  /** @type {Speaking} */
  #speaking = nobodySpeaks;
  /** @type {import("./media/peer.js").Terms} */
  #terms = { iceServers: [] };
  /** @type {Set<Publisher>} */
  #publishers = new Set();
  #watcher;
  #chat;
  /** @type {Set<string>} streams and media already told by `track` */
  #told = new Set();

  /** @param {RoomOptions} options */
  constructor({ room, url, name, token }) {
    super();
    this.#link = new Connection({ url: addressOf(url), room, name, token, sessions: () => this.#livingSessions(), mediaFlows: () => this.#mediaFlows() });
    this.#link.on("state", (state) => this.#linkChanged(state));
    this.#link.on("welcome", (welcome) => {
      this.member = welcome.member;
      this.#terms = { iceServers: welcome.ice_servers ?? [] };
    });
    this.#link.on("event", (message) => {
      if (message.type === "ice_servers") this.#terms = { iceServers: message.ice_servers };
    });
    this.#watcher = new Watcher(this.#link, () => this.#terms);
    this.#watcher.on("views", (views) => this.#viewsChanged(views));
    this.#watcher.on("state", ({ phase, error }) => phase === "refused" && error && this.emit("error", error));
    this.#chat = new RoomChat(this.#link);
    this.#chat.on("chat", (chat) => this.emit("chat", chat));
    this.#chat.on("people", (people) => this.emit("people", people));
    // Last, so that the sessions above have seen a welcome before what it lists is acted on.
    for (const type of /** @type {const} */ (["welcome", "event"])) {
      this.#link.on(type, (message) => {
        this.#follow(updateStreams(this.#streams, message));
        this.#hear(updateSpeaking(this.#speaking, message));
      });
    }
    this.#link.start();
  }

  /** @returns {LinkState} */
  get state() {
    return this.#link.state;
  }

  /** What is wrong and will not be tried again by itself; null once it is right again. */
  get problem() {
    const { phase, error } = this.#link.state;
    if (phase === "closed") return error;
    return this.#watcher.state.phase === "refused" ? this.#watcher.state.error : null;
  }

  /** @returns {Stream[]} what is live */
  get streams() {
    return [...this.#streams.values()];
  }

  /** Names of the streams in whose sound somebody speaks. */
  get speaking() {
    return this.#speaking;
  }

  /** What was said here, oldest first, and where something is missing. */
  get chat() {
    return this.#chat.chat;
  }

  /** Who is here, oneself included. */
  get people() {
    return this.#chat.people;
  }

  /** Who watches and shows nothing, oneself included; changes with `people` and `streams`. */
  get audience() {
    return audienceOf(this.people, this.streams, this.#chat.players);
  }

  /** @returns {View[]} */
  get views() {
    return this.#watcher.views();
  }

  /**
   * Publishes under a name of this room until `stop()`.
   * @param {string} stream
   * @param {MediaStream} mediaStream
   * @param {PublishOptions} [options]
   */
  publish(stream, mediaStream, options = {}) {
    const publisher = new Publisher(this.#link, stream, mediaStream, options, () => this.#terms);
    this.#publishers.add(publisher);
    publisher.on("state", ({ phase }) => phase === "ended" && this.#publishers.delete(publisher));
    publisher.start();
    return publisher;
  }

  /**
   * @param {Wanted} [wanted] every stream, or these, live or not
   * @param {{own?: boolean}} [options] `own`: also the streams that this page publishes
   */
  watch(wanted = "all", { own = false } = {}) {
    this.#watcher.want(wanted, (stream) => !own && stream.publisher !== null && stream.publisher === this.member);
  }

  /**
   * How the page shows a stream that it watches, whenever that changes: what is not visible is not sent, what is small is
   * sent small.
   * @param {string} stream
   * @param {import("./media/tiles.js").Shown | null} shown null when it has no tile any more
   */
  show(stream, shown) {
    this.#watcher.tiles.show(stream, shown);
  }

  /**
   * Says something to everybody in the room; it comes back with `chat`.
   * @param {string} text
   * @returns {Promise<void>} rejects when it was not said, with `code` and, when that was too fast, `retryAfterMs`
   */
  say(text) {
    return this.#chat.say(text);
  }

  /**
   * Tells the others that one types, or no longer. May be called with every key.
   * @param {boolean} typing
   */
  typing(typing) {
    this.#chat.typing(typing);
  }

  /**
   * Shown to the others from now on; empty: no name.
   * @param {string} name
   */
  rename(name) {
    this.#link.rename(name);
  }

  /** What the watched streams are like now. */
  statistics() {
    return this.#watcher.statistics();
  }

  leave() {
    for (const publisher of [...this.#publishers]) publisher.stop();
    this.#watcher.stop();
    this.#chat.end();
    this.#link.close();
  }

  /** @param {import("./state/streams.js").Streams} streams */
  #follow(streams) {
    if (streams === this.#streams) return;
    this.#streams = streams;
    this.#watcher.follow(streams);
    this.emit("streams", this.streams);
  }

  /** @param {Speaking} speaking */
  #hear(speaking) {
    if (speaking === this.#speaking) return;
    this.#speaking = speaking;
    this.emit("speaking", speaking);
  }

  /** @param {LinkState} state */
  #linkChanged(state) {
    this.emit("state", state);
    if (state.phase === "closed" && state.error) this.emit("error", state.error);
  }

  /** @param {View[]} views */
  #viewsChanged(views) {
    const now = new Set(views.flatMap((v) => v.mediaStream.getTracks().map((t) => `${v.stream}/${t.id}`)));
    for (const view of views) {
      if (view.mediaStream.getTracks().some((t) => !this.#told.has(`${view.stream}/${t.id}`))) this.emit("track", view);
    }
    this.#told = now;
    this.emit("views", views);
  }

  /** There is media, and none is missing. */
  #mediaFlows() {
    const parts = [this.#watcher, ...this.#publishers].map((part) => part.flows).filter((flows) => flows !== null);
    return parts.length > 0 && parts.every(Boolean);
  }

  #livingSessions() {
    return [...[...this.#publishers].flatMap((p) => p.livingSessions()), ...this.#watcher.livingSessions()];
  }
}

/**
 * Joins and waits for the server's welcome. A server that is down is tried again and again; a refusal rejects.
 * @param {RoomOptions} options
 * @returns {Promise<Room>}
 */
export function joinRoom(options) {
  const room = new Room(options);
  return new Promise((resolve, reject) => {
    const off = room.on("state", ({ phase, error }) => {
      if (phase !== "open" && phase !== "closed") return;
      off();
      if (phase === "open") resolve(room);
      else reject(new RequestError(error?.code ?? "closed", error?.message ?? "The room was left."));
    });
  });
}

/** @param {string | URL} [base] */
function addressOf(base = ownServer()) {
  const url = socketUrl(base);
  if (url === null) throw new TypeError(`${base} is no address of a server.`);
  return url;
}

/** The server of this page: pages and modules are shown below one path. */
function ownServer() {
  const home = homeOf(import.meta.url);
  return home !== null && new URL(home).origin === location.origin ? home : location.origin;
}
