// Owns a button that silences the microphone or blanks the camera, before and while live.

/** @import { Publisher } from "../client/media/publisher.js" */
/** @import { Kind } from "../client/protocol.js" */
/** @import { Capture } from "./capture.js" */

import { face, need } from "./dom.js";

/** Icon and text of the button while the source is heard or seen, while it is not, and while an operator keeps it from that. */
/** @typedef {{on: [string, string], off: [string, string], moderated: [string, string]}} Faces */

/**
 * @typedef {object} SwitchOptions
 * @property {Capture} capture
 * @property {() => Publisher | null} publisher
 * @property {() => void} [onMissing] asks for a source when there is none
 * @property {() => void} [onToggled]
 */

/** @type {Record<Kind, Faces>} */
const FACES = {
  audio: { on: ["mic", "Mute microphone"], off: ["micOff", "Unmute microphone"], moderated: ["micOff", "Muted by a moderator"] },
  video: { on: ["camera", "Turn camera off"], off: ["cameraOff", "Turn camera on"], moderated: ["cameraOff", "Turned off by a moderator"] },
};

export class Switch {
  #button;
  #kind;
  #options;
  #muted = false;

  /**
   * @param {string} id
   * @param {Kind} kind
   * @param {SwitchOptions} options
   */
  constructor(id, kind, options) {
    this.#button = need(id, HTMLButtonElement);
    this.#kind = kind;
    this.#options = options;
    this.#button.addEventListener("click", () => this.toggle());
    options.capture.on("state", () => this.update());
    this.update();
  }

  toggle() {
    if (this.#isModerated) return;
    if (this.#tracks.length === 0) {
      this.#muted = false;
      return this.#options.onMissing?.();
    }
    this.#muted = !this.#muted;
    this.update();
    this.#options.onToggled?.();
  }

  get #tracks() {
    return (this.#options.capture.mediaStream?.getTracks() ?? []).filter((t) => t.kind === this.#kind);
  }

  get #isModerated() {
    return this.#options.publisher()?.moderated.has(this.#kind) ?? false;
  }

  /** Also a source chosen later is as muted as the button says. */
  update() {
    const tracks = this.#tracks;
    const missing = tracks.length === 0;
    for (const track of tracks) {
      if (track.enabled !== this.#muted) continue;
      track.enabled = !this.#muted;
      void this.#options.publisher()?.mute(this.#kind, this.#muted);
    }
    const moderated = this.#isModerated;
    const off = this.#muted || missing || moderated;
    this.#button.disabled = moderated || (missing && !this.#options.onMissing);
    this.#button.setAttribute("aria-pressed", String(off));
    face(this.#button, ...FACES[this.#kind][moderated ? "moderated" : off ? "off" : "on"]);
  }
}
