// Owns the own picture among the others' in a meeting: what is sent, as the person sees it. Never sends anything.

/** @import { Moderated } from "../client/state/moderated.js" */

import { icon, el, need } from "./dom.js";

export class OwnTile {
  #figure = need("own", HTMLElement);
  #video = need("preview", HTMLVideoElement);
  #say = find(this.#figure, ".say");
  #name = find(this.#figure, ".name");
  #micOff = el("span", { class: "flag", role: "img", "aria-label": "Your microphone is off", hidden: true }, icon("micOff"));

  constructor() {
    this.#name.after(this.#micOff);
  }

  /**
   * @param {object} state
   * @param {MediaStream | null} state.mediaStream
   * @param {Moderated | undefined} state.moderated
   * @param {string | null | undefined} state.name of the person
   */
  update({ mediaStream, moderated, name }) {
    if (this.#video.srcObject !== mediaStream) this.#video.srcObject = mediaStream;
    const on = (/** @type {string} */ kind) => mediaStream?.getTracks().some((t) => t.kind === kind && t.enabled && !t.muted) ?? false;
    const face = on("video") ? "playing" : "off";
    if (this.#figure.dataset["face"] !== face) {
      this.#figure.dataset["face"] = face;
      this.#say.hidden = face === "playing";
      this.#say.replaceChildren(icon("cameraOff"), el("p", {}, "Nobody sees you: no camera is on"));
    }
    this.#micOff.hidden = on("audio") && !moderated?.has("audio");
    const label = name ? `${name} (you)` : "You";
    if (this.#name.textContent !== label) this.#name.textContent = label;
  }
}

/**
 * @param {HTMLElement} within
 * @param {string} selector
 */
function find(within, selector) {
  const found = within.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`the own picture has no ${selector}`);
  return found;
}
