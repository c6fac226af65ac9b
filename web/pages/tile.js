// Owns one tile: a watched stream's picture, sound, name and tools. Never asks the server.

/** @import { View } from "../client/media/watcher.js" */
/** @import { Shown } from "../client/media/tiles.js" */
/** @import { Statistics } from "../client/stats.js" */
/** @import { Sound } from "./state/sound.js" */

import { el, icon } from "./dom.js";
import { watchSight } from "./sight.js";
import { tileState } from "./state/tile.js";
import { bitrateText, frameRateText, labelOf, pictureText, roundTripText } from "./words.js";

/**
 * @typedef {object} TileOptions
 * @property {string} href of the stream by itself
 * @property {() => void} onOnly hides the others, or shows them again
 * @property {() => void} onSoundRefused the browser wants a click before it plays sound
 * @property {() => void} onSoundWanted that click
 * @property {(shown: Shown | null) => void} onShown its size changed, or whether somebody sees it; null: it is gone
 */

export class Tile {
  /** @type {View} */
  view;
  element;
  #options;
  /** @type {Sound} */
  #sound = "on";
  #silenced = false;
  #pictured = false;
  #wasLive = false;
  #alone = false;
  #endSight;
  #label = "";
  #video = el("video", { playsinline: true });
  #say = el("div", { class: "say" });
  #name = el("span", { class: "name", dir: "auto" });
  #micOff = el("span", { class: "flag", role: "img", "aria-label": "Microphone is muted", hidden: true }, icon("micOff"));
  #facts = el("dl", { class: "facts", hidden: true });
  #mute = el("button", { type: "button" });
  #only = el("button", { type: "button" }, icon("open"));
  #tap = el("button", { type: "button", class: "tap", hidden: true }, icon("soundOff"), el("span", {}, "Tap for sound"));

  /**
   * @param {View} view
   * @param {TileOptions} options
   */
  constructor(view, options) {
    this.view = view;
    this.#options = options;
    this.element = el("figure", { class: "tile", tabindex: "-1" }, this.#video, this.#say, this.#facts,
      el("figcaption", {}, this.#name, this.#micOff), this.#tap, this.#tools());
    this.#tap.addEventListener("click", () => options.onSoundWanted());
    this.element.dataset["stream"] = view.stream;
    for (const type of ["loadeddata", "resize", "playing"]) this.#video.addEventListener(type, () => this.#pictureChanged());
    this.#video.addEventListener("emptied", () => this.#pictureChanged());
    this.#endSight = watchSight(this.element, (shown) => options.onShown({ ...shown, pinned: this.#alone }));
    this.#attach();
  }

  /**
   * @param {View} view
   * @param {Sound} sound
   * @param {readonly View[]} all
   * @param {boolean} alone only this one is shown
   */
  update(view, sound, all, alone) {
    const soundChanged = sound !== this.#sound;
    this.#alone = alone;
    this.view = view;
    this.#wasLive ||= view.source !== null;
    this.#label = labelOf(view.stream, view.source, all.map((v) => v.source)) || this.#label;
    this.#drawOnly(all.length > 1 || alone, alone);
    this.#sound = sound;
    this.#draw();
    if (soundChanged || this.#video.paused || this.#video.ended) void this.#play();
  }

  /** @param {Statistics | null} statistics null hides them */
  showFacts(statistics) {
    this.#facts.hidden = !statistics;
    if (!statistics) return;
    const mine = statistics.tracks.filter((t) => this.view.tracks.some((v) => v.mid === t.mid));
    const video = mine.find((t) => t.kind === "video");
    const audio = mine.find((t) => t.kind === "audio");
    const codecs = [video?.codec, audio?.codec].filter(Boolean).join(" + ");
    const facts = {
      Picture: pictureText(video),
      "Frame rate": frameRateText(video),
      Bitrate: bitrateText(mine.reduce((sum, t) => sum + t.bitrate, 0)),
      Codec: codecs || "–",
      Lost: String(mine.reduce((sum, t) => sum + t.packetsLost, 0)),
      Jitter: video ? `${Math.round(video.jitterMs)} ms` : "–",
      Freezes: String(video?.freezes ?? 0),
      "Round trip": `${roundTripText(statistics)} ${statistics.transport}`.trim(),
    };
    this.#facts.replaceChildren(...Object.entries(facts).flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)]));
  }

  /** @param {boolean} speaking somebody speaks in its sound */
  showSpeaking(speaking) {
    this.element.classList.toggle("speaking", speaking);
  }

  toggleFullscreen() {
    if (document.fullscreenElement) return void document.exitFullscreen();
    if (this.element.requestFullscreen) return void this.element.requestFullscreen().catch(() => {});
    // iPhones give only the video itself the whole screen.
    /** @type {any} */ (this.#video).webkitEnterFullscreen?.();
  }

  remove() {
    this.#endSight();
    this.#options.onShown(null);
    this.#video.srcObject = null;
    this.element.remove();
  }

  /** A video without data yet would hold back the load event, and the browser's tab would spin for as long. */
  #attach() {
    if (document.readyState !== "complete") return addEventListener("load", () => this.#attach(), { once: true });
    this.#video.srcObject = this.view.mediaStream;
    void this.#play();
  }

  #tools() {
    const full = el("button", { type: "button", title: "Full screen (f)", "aria-label": "Full screen" }, icon("full"));
    full.addEventListener("click", () => this.toggleFullscreen());
    this.#mute.addEventListener("click", () => {
      this.#silenced = !this.#silenced;
      this.#draw();
    });
    this.#only.addEventListener("click", () => this.#options.onOnly());
    return el("div", { class: "tools" }, this.#mute, this.#only, full);
  }

  #pictureChanged() {
    this.#pictured = this.#video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && this.#video.videoWidth > 0;
    this.#draw();
  }

  #draw() {
    const { view } = this;
    const state = tileState(view, { pictured: this.#pictured, wasLive: this.#wasLive });
    if (this.#name.textContent !== this.#label) this.#name.textContent = this.#label;
    this.#video.setAttribute("aria-label", `Live picture of ${this.#label}`);
    this.#micOff.hidden = !state.soundMuted;
    this.#video.muted = this.#sound !== "on" || this.#silenced;
    this.#drawMute(view);
    if (this.element.dataset["face"] === state.face && this.#say.dataset["message"] === state.message) return;
    this.element.dataset["face"] = state.face;
    this.#say.dataset["message"] = state.message;
    this.#say.hidden = state.face === "playing";
    const open = state.face === "over" ? [el("a", { class: "button", href: this.#options.href, target: "_blank" }, "Open it in a new tab")] : [];
    this.#say.replaceChildren(...(state.icon ? [icon(state.icon)] : []), el("p", {}, state.message), ...open);
  }

  /**
   * @param {boolean} offered there are others to hide
   * @param {boolean} alone
   */
  #drawOnly(offered, alone) {
    this.#only.hidden = !offered;
    const label = alone ? "Show all" : `Show only ${this.#label}`;
    if (this.#only.title === label) return;
    this.#only.title = label;
    this.#only.setAttribute("aria-label", label);
    this.#only.setAttribute("aria-pressed", String(alone));
  }

  /** @param {View} view */
  #drawMute(view) {
    const audible = view.source?.tracks.some((t) => t.kind === "audio") ?? false;
    this.#tap.hidden = this.#sound !== "blocked" || !audible;
    this.#mute.hidden = this.#sound !== "on" || !audible;
    const label = this.#silenced ? `Turn on the sound of ${this.#label}` : `Turn off the sound of ${this.#label}`;
    if (this.#mute.getAttribute("aria-label") === label) return;
    this.#mute.setAttribute("aria-label", label);
    this.#mute.title = label;
    this.#mute.replaceChildren(icon(this.#silenced ? "soundOff" : "sound"));
  }

  async #play() {
    if (!this.#video.srcObject) return;
    try {
      await this.#video.play();
    } catch (error) {
      const refused = error instanceof DOMException && error.name === "NotAllowedError";
      if (refused && !this.#video.muted) this.#options.onSoundRefused();
    }
  }
}
