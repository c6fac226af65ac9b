// Owns a button that silences the microphone or blanks the camera, before and while live.

/** @import { Publisher } from "../client/media/publisher.js" */
/** @import { Kind } from "../client/protocol.js" */
/** @import { Capture } from "./capture.js" */

import { face, need } from "./dom.js";

/** Icon and text of the button while the source is heard or seen, and while it is not. */
/** @typedef {{on: [string, string], off: [string, string]}} Faces */

export class Switch {
  #button;
  #kind;
  #faces;
  #capture;
  #publisher;
  #muted = false;
  #onMissing;

  /**
   * @param {string} id
   * @param {Kind} kind
   * @param {Faces} faces
   * @param {Capture} capture
   * @param {() => Publisher | null} publisher
   * @param {(() => void) | null} [onMissing] asks for a source when there is none
   */
  constructor(id, kind, faces, capture, publisher, onMissing = null) {
    this.#onMissing = onMissing;
    this.#button = need(id, HTMLButtonElement);
    this.#kind = kind;
    this.#faces = faces;
    this.#capture = capture;
    this.#publisher = publisher;
    this.#button.addEventListener("click", () => this.toggle());
    capture.on("state", () => this.update());
    this.update();
  }

  toggle() {
    if (this.#tracks.length === 0) {
      this.#muted = false;
      return this.#onMissing?.();
    }
    this.#muted = !this.#muted;
    this.update();
  }

  get #tracks() {
    return (this.#capture.mediaStream?.getTracks() ?? []).filter((t) => t.kind === this.#kind);
  }

  /** Also a source chosen later is as muted as the button says. */
  update() {
    const tracks = this.#tracks;
    const missing = tracks.length === 0;
    for (const track of tracks) {
      if (track.enabled !== this.#muted) continue;
      track.enabled = !this.#muted;
      void this.#publisher()?.mute(this.#kind, this.#muted);
    }
    const off = this.#muted || missing;
    this.#button.disabled = missing && !this.#onMissing;
    this.#button.setAttribute("aria-pressed", String(off));
    face(this.#button, ...(off ? this.#faces.off : this.#faces.on));
  }
}
