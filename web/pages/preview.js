// Owns the picture of what is about to be sent, with its sound level. Never asks for a camera by itself.

/** @import { BroadcastPhase } from "./state/broadcast.js" */
/** @import { CaptureState } from "./state/capture.js" */

import { need } from "./dom.js";
import { Level } from "./level.js";

/** @typedef {{capture: CaptureState, mediaStream: MediaStream | null, broadcast: BroadcastPhase}} PreviewState */

export class Preview {
  #video = need("preview", HTMLVideoElement);
  #middle = need("middle", HTMLElement);
  #text = need("middle-text", HTMLElement);
  #ask = need("ask", HTMLButtonElement);
  #badge = need("live-badge", HTMLElement);
  #level = new Level(need("meter", HTMLElement));
  /** @type {MediaStream | null} */
  #shown = null;

  /** @param {() => void} onAsk */
  constructor(onAsk) {
    this.#ask.addEventListener("click", onAsk);
  }

  /** @param {PreviewState} state */
  update({ capture, mediaStream, broadcast }) {
    const visible = capture.phase === "on" ? mediaStream : null;
    if (visible !== this.#shown) {
      this.#shown = visible;
      this.#video.srcObject = visible;
      this.#level.update(visible);
    }
    this.#video.classList.toggle("mirrored", capture.from === "camera");
    const soundOnly = visible !== null && visible.getVideoTracks().length === 0;
    this.#middle.hidden = visible !== null && !soundOnly;
    this.#text.textContent = soundOnly ? "Sound only: no camera is used." : emptyText(capture);
    this.#ask.hidden = capture.phase === "asking" || visible !== null;
    this.#ask.textContent = capture.from === "screen" ? "Choose a screen" : "Turn on camera and microphone";
    this.#badge.hidden = broadcast !== "live" && broadcast !== "reconnecting";
    this.#badge.classList.toggle("live", broadcast === "live");
    this.#badge.textContent = broadcast === "reconnecting" ? "Reconnecting…" : "LIVE";
  }

  /** Lets the level bar start after the first click. */
  wake() {
    this.#level.wake();
  }
}

/** @param {CaptureState} capture */
function emptyText({ phase, from }) {
  const thing = from === "screen" ? "screen" : "camera";
  switch (phase) {
    case "asking":
      return from === "screen" ? "Choose what to send…" : "Waiting for your camera…";
    case "failed":
      return `No picture from the ${thing}.`;
    default:
      return from === "screen" ? "Your screen is not being captured." : "Your camera is off.";
  }
}
