// Owns the list of messages: drawing what is new, and staying at its end while the reader does. Never sends.

/** @import { Said } from "../client/protocol.js" */
/** @import { Chat, Line } from "../client/state/chat.js" */
/** @import { Segment } from "./state/links.js" */

import { el } from "./dom.js";
import { isNews, sameUpTo, startsBlock } from "./state/conversation.js";
import { segments } from "./state/links.js";
import { gapText, personText } from "./words.js";

/** So close to the end counts as there. */
const END_PX = 40;

export class Log {
  #list = el("ol", {});
  element = el("div", { class: "log", role: "log", "aria-live": "off", tabindex: "0", "aria-label": "Messages" }, this.#list);
  #jump = el("button", { type: "button", class: "jump", hidden: true }, "New messages");
  #empty = el("p", { class: "quiet" }, "Nothing was said yet.");
  box = el("div", { class: "log-box" }, this.#empty, this.element, this.#jump);
  /** @type {Chat} */
  #shown = [];
  #own = "";
  /** The reader is at the end, and stays there when something comes or the panel gets smaller. */
  #follows = true;

  constructor() {
    this.element.addEventListener("scroll", () => {
      this.#follows = this.#atEnd;
      if (this.#follows) this.#jump.hidden = true;
    });
    new ResizeObserver(() => this.#follows && this.toEnd()).observe(this.element);
    this.#jump.addEventListener("click", () => this.toEnd());
  }

  /**
   * @param {Chat} chat
   * @param {string} own member
   */
  update(chat, own) {
    const from = own === this.#own ? sameUpTo(this.#shown, chat) : 0;
    if (from === this.#shown.length && from === chat.length) return;
    const stay = this.#follows || saidBy(chat.at(-1)) === own;
    this.#own = own;
    const news = chat.slice(from).some(isNews);
    // A screen reader reads out what is said, and not what was said before.
    this.element.setAttribute("aria-live", news ? "polite" : "off");
    while (this.#list.children.length > from) this.#list.lastElementChild?.remove();
    this.#list.append(...chat.slice(from).map((line, n) => this.#entry(chat[from + n - 1], line)));
    this.#shown = chat;
    this.#empty.hidden = chat.length > 0;
    if (stay) this.toEnd();
    else if (news) this.#jump.hidden = false;
  }

  toEnd() {
    this.element.scrollTop = this.element.scrollHeight;
    this.#follows = true;
    this.#jump.hidden = true;
  }

  get #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    return scrollHeight - scrollTop - clientHeight < END_PX;
  }

  /**
   * @param {Line | undefined} previous
   * @param {Line} line
   */
  #entry(previous, line) {
    if (line.type === "gap") return el("li", { class: "gap" }, gapText(line.lost));
    const { said } = line;
    const own = said.member === this.#own;
    const head = startsBlock(previous, line) ? [heading(said, own)] : [];
    return el("li", { class: own ? "said mine" : "said" }, ...head, el("p", { dir: "auto" }, ...segments(said.text).map(written)));
  }
}

/** @param {Segment} segment */
function written({ text, href }) {
  return href === null ? text : el("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, text);
}

/** @param {Line | undefined} line */
function saidBy(line) {
  return line?.type === "said" ? line.said.member : null;
}

/**
 * @param {Said} said
 * @param {boolean} own
 */
function heading(said, own) {
  const at = new Date(said.at_ms);
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return el("div", { class: "who" },
    el("strong", { dir: "auto" }, own ? "You" : personText(said)),
    el("time", { datetime: Number.isNaN(at.getTime()) ? "" : at.toISOString() }, time));
}
