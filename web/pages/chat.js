// Owns the chat panel of a page: messages, who is here, writing, and its opening and closing. Never keeps what was said.

/** @import { Room } from "../client/room.js" */
/** @import { Chat } from "../client/state/chat.js" */

import { RequestError } from "../client/protocol.js";
import { keepName } from "./address.js";
import { el, face, icon, need } from "./dom.js";
import { Log } from "./log.js";
import { countUnseen, typers } from "./state/conversation.js";
import { peopleText, personText, sayProblem, typingText } from "./words.js";

/** More names than this help nobody. */
const NAMES_MAX = 100;
const TEXT_MAX = 2000;

export class ChatPanel {
  #room;
  #panel = need("chat", HTMLElement);
  #toggle = need("chat-toggle", HTMLButtonElement);
  #badge = el("span", { class: "unseen", hidden: true });
  #log = new Log();
  #count = el("summary", {});
  #names = el("ul", {});
  #typing = el("p", { class: "typing", dir: "auto", "aria-hidden": "true" });
  #text = el("textarea", { id: "chat-text", rows: "1", maxlength: String(TEXT_MAX), enterkeyhint: "send", dir: "auto", placeholder: "Write to everybody", "aria-label": "Message" });
  #send = el("button", { class: "primary", "aria-label": "Send" }, icon("send"));
  #problem = el("p", { class: "hint problem", role: "status" });
  #name = el("input", { id: "chat-name", type: "text", maxlength: "64", autocomplete: "nickname", placeholder: "Guest", dir: "auto" });
  /** @type {Chat} */
  #chat = [];
  #unseen = 0;
  #sending = false;

  /**
   * @param {Room} room
   * @param {{name: string, open: boolean}} options
   */
  constructor(room, { name, open }) {
    this.#room = room;
    this.#name.value = name;
    this.#build();
    room.on("chat", (chat) => this.#said(chat));
    for (const event of /** @type {const} */ (["people", "state"])) room.on(event, () => this.update());
    this.#toggle.addEventListener("click", () => this.#show(Boolean(this.#panel.hidden)));
    this.#panel.addEventListener("keydown", (event) => event.key === "Escape" && this.#show(false));
    document.addEventListener("visibilitychange", () => this.#said(this.#chat));
    this.#panel.hidden = !open;
    this.update();
  }

  update() {
    const { member, people } = this.#room;
    this.#log.update(this.#chat, member);
    this.#drawPeople();
    const text = typingText(typers(people, member).map(personText));
    if (this.#typing.textContent !== text) this.#typing.textContent = text;
    this.#send.disabled = this.#sending || this.#text.value.trim() === "";
    this.#toggle.setAttribute("aria-expanded", String(!this.#panel.hidden));
    face(this.#toggle, "chat", this.#unseen > 0 ? `Chat, ${this.#unseen} new` : "Chat");
    this.#toggle.append(this.#badge);
    this.#badge.hidden = this.#unseen === 0;
    this.#badge.textContent = String(this.#unseen);
  }

  #build() {
    const close = el("button", { type: "button", class: "plain", "aria-label": "Close the chat" }, icon("close"));
    close.addEventListener("click", () => this.#show(false));
    const form = el("form", { class: "write" }, this.#text, this.#send);
    const called = el("label", { class: "called", for: "chat-name" }, "Your name", this.#name);
    this.#badge.setAttribute("aria-hidden", "true");
    this.#panel.append(
      el("div", { class: "chat-head" }, el("h2", {}, "Chat"), close),
      el("details", { class: "people" }, this.#count, this.#names),
      this.#log.box, this.#typing, form, this.#problem, called);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#say();
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      void this.#say();
    });
    this.#text.addEventListener("input", () => {
      this.#problem.textContent = "";
      this.#room.typing(this.#text.value.trim() !== "");
      this.update();
    });
    this.#name.addEventListener("change", () => this.#rename());
  }

  /** @param {boolean} open */
  #show(open) {
    this.#panel.hidden = !open;
    this.#said(this.#chat);
    if (!open) return this.#toggle.focus();
    this.#log.toEnd();
    this.#text.focus();
  }

  /** @param {Chat} after */
  #said(after) {
    const visible = !this.#panel.hidden && !document.hidden;
    this.#unseen = countUnseen(this.#unseen, { before: this.#chat, after, own: this.#room.member, visible });
    this.#chat = after;
    this.update();
  }

  async #say() {
    const text = this.#text.value.trim();
    if (text === "" || this.#sending) return;
    this.#sending = true;
    this.#problem.textContent = "";
    this.update();
    try {
      await this.#room.say(text);
      // What was typed on meanwhile stays.
      if (this.#text.value.trim() === text) this.#text.value = "";
    } catch (error) {
      this.#problem.textContent = error instanceof RequestError ? sayProblem(error) : String(error);
    }
    this.#sending = false;
    this.update();
  }

  #rename() {
    const name = this.#name.value.trim();
    this.#name.value = name;
    keepName(name);
    this.#room.rename(name);
  }

  #drawPeople() {
    const guests = [...this.#room.people.values()];
    const count = peopleText(guests.length);
    if (this.#count.textContent !== count) this.#count.textContent = count;
    const names = guests.slice(0, NAMES_MAX).map((guest) => personText(guest) + (guest.member === this.#room.member ? " (you)" : ""));
    if (guests.length > NAMES_MAX) names.push(`and ${guests.length - NAMES_MAX} more`);
    const key = names.join("\n");
    if (this.#names.dataset["names"] === key) return;
    this.#names.dataset["names"] = key;
    this.#names.replaceChildren(...names.map((name) => el("li", { dir: "auto" }, name)));
  }
}
