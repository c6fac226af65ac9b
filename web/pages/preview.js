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
    const visible = mediaStream;
    if (visible !== this.#shown) {
      this.#shown = visible;
      this.#video.srcObject = visible;
      this.#level.update(visible);
    }
    this.#video.classList.toggle("mirrored", capture.from === "camera");
    const pictured = visible !== null && visible.getVideoTracks().length > 0;
    this.#video.hidden = !pictured;
    this.#middle.hidden = pictured;
    this.#text.textContent = emptyText(capture, visible);
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

/**
 * @param {CaptureState} capture
 * @param {MediaStream | null} mediaStream
 */
function emptyText({ phase, from, lost }, mediaStream) {
  if (mediaStream) {
    if (lost.includes("screen")) return "Your screen is no longer shared.";
    if (lost.includes("camera")) return "Your camera is gone.";
    return mediaStream.getAudioTracks().length > 0 ? "Sound only: no camera is used." : "No camera and no microphone is used.";
  }
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
