// Owns the notice at the top of a page: one at a time, with at most one thing to do about it.

import { need } from "./dom.js";

/** @typedef {{title: string, text: string, tone?: "warn" | "bad", action?: {label: string, run: () => void}}} NoticeState */

export class Notice {
  #box = need("notice", HTMLElement);
  #title = need("notice-title", HTMLElement);
  #text = need("notice-text", HTMLElement);
  #action = need("notice-action", HTMLButtonElement);
  /** @type {(() => void) | undefined} */
  #run;

  constructor() {
    this.#action.addEventListener("click", () => this.#run?.());
  }

  /** @param {NoticeState | null} state */
  update(state) {
    this.#box.hidden = !state;
    if (!state) return;
    this.#box.dataset["tone"] = state.tone ?? "warn";
    if (this.#title.textContent !== state.title) this.#title.textContent = state.title;
    if (this.#text.textContent !== state.text) this.#text.textContent = state.text;
    this.#run = state.action?.run;
    this.#action.hidden = !state.action;
    this.#action.textContent = state.action?.label ?? "";
  }
}
