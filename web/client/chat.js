// Owns the chat and the people of one room: what is known of them, saying something, telling that one types. Never
// draws.

/** @import { Connection } from "./connection.js" */
/** @import { ServerEvent, Welcome } from "./protocol.js" */
/** @import { Chat } from "./state/chat.js" */
/** @import { People } from "./state/people.js" */

import { Emitter } from "./emitter.js";
import { updatePlayers } from "./state/audience.js";
import { noChat, updateChat } from "./state/chat.js";
import { nextTypingEndMs, nobody, updatePeople } from "./state/people.js";

/** How often it is said again that one types on. */
const TYPING_EVERY_MS = 3000;

/** @extends {Emitter<{chat: Chat, people: People}>} */
export class RoomChat extends Emitter {
  /** @type {Chat} */
  chat = noChat;
  /** @type {People} */
  people = nobody;
  /** How many watch without being among them. */
  players = 0;
  #link;
  /** @type {number | null} when the server was last told that one types */
  #typedAtMs = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Connection} link */
  constructor(link) {
    super();
    this.#link = link;
    link.on("welcome", (welcome) => this.#follow(welcome));
    link.on("event", (event) => this.#follow(event));
    link.on("state", ({ phase }) => {
      if (phase !== "open") this.#typedAtMs = null;
    });
  }

  /**
   * @param {string} text
   * @returns {Promise<void>} rejects with a `RequestError` when it was not said
   */
  async say(text) {
    this.#typedAtMs = null;
    await this.#link.request("say", { text });
  }

  /**
   * May be called with every key.
   * @param {boolean} typing
   */
  typing(typing) {
    const nowMs = performance.now();
    if (typing ? this.#typedAtMs !== null && nowMs - this.#typedAtMs < TYPING_EVERY_MS : this.#typedAtMs === null) return;
    this.#typedAtMs = typing ? nowMs : null;
    // Nobody misses much when this is not told.
    this.#link.request("typing", { typing }).catch(() => {});
  }

  end() {
    clearTimeout(this.#timer);
  }

  /** @param {Welcome | ServerEvent | {type: "time"}} event */
  #follow(event) {
    const { chat, people, players } = this;
    const nowMs = performance.now();
    this.people = updatePeople(people, event, nowMs);
    if (event.type !== "time") {
      this.chat = updateChat(chat, event);
      this.players = updatePlayers(players, event);
    }
    if (this.people !== people) this.#wakeLater(nowMs);
    if (this.people !== people || this.players !== players) this.emit("people", this.people);
    if (this.chat !== chat) this.emit("chat", this.chat);
  }

  /** @param {number} nowMs */
  #wakeLater(nowMs) {
    clearTimeout(this.#timer);
    const endMs = nextTypingEndMs(this.people);
    if (endMs !== null) this.#timer = setTimeout(() => this.#follow({ type: "time" }), Math.max(0, endMs - nowMs) + 1);
  }
}
