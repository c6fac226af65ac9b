// Owns the notice at the top of a page: one at a time, with the ways out of it.

import { el, need } from "./dom.js";

/** @typedef {{label: string, run: () => void}} Action */
/** @typedef {{title: string, text: string, tone?: "warn" | "bad", actions?: Action[]}} NoticeState */

export class Notice {
  #box = need("notice", HTMLElement);
  #title = need("notice-title", HTMLElement);
  #text = need("notice-text", HTMLElement);
  #buttons = [need("notice-action", HTMLButtonElement), el("button", { type: "button", id: "notice-other", hidden: true })];
  /** @type {Action[]} */
  #actions = [];

  constructor() {
    this.#buttons[0]?.after(...this.#buttons.slice(1));
    for (const [n, button] of this.#buttons.entries()) button.addEventListener("click", () => this.#actions[n]?.run());
  }

  /** @param {NoticeState | null} state */
  update(state) {
    this.#box.hidden = !state;
    if (!state) return;
    this.#box.dataset["tone"] = state.tone ?? "warn";
    if (this.#title.textContent !== state.title) this.#title.textContent = state.title;
    if (this.#text.textContent !== state.text) this.#text.textContent = state.text;
    this.#actions = state.actions ?? [];
    for (const [n, button] of this.#buttons.entries()) {
      const label = this.#actions[n]?.label ?? "";
      button.hidden = label === "";
      if (button.textContent !== label) button.textContent = label;
    }
  }
}
