// Owns the settings of the publish page: source, devices, names, picture, codec. Never acts on them.

/** @import { PublishOptions } from "../client/media/publisher.js" */
/** @import { Devices } from "./capture.js" */
/** @import { Choice } from "./state/sources.js" */
/** @import { BroadcastPhase } from "./state/broadcast.js" */

import { Emitter } from "../client/emitter.js";
import { isName } from "../client/protocol.js";
import { tabName, watchPath } from "./address.js";
import { fillDevices } from "./devices.js";
import { el, need } from "./dom.js";
import { idOf, titleOf } from "./state/title.js";
import { nameProblem } from "./words.js";

/** @typedef {{broadcast: BroadcastPhase, ready: boolean}} SetupState */
/** @typedef {{room: string, stream: string}} Names */

const CODECS = { vp8: "VP8", vp9: "VP9", h264: "H.264", av1: "AV1" };
/** Enough for a clear picture of that height, in bit/s. */
const BITRATES = new Map([[360, 900_000], [720, 2_500_000], [1080, 4_500_000]]);
const COPIED_MS = 2000;

/** @extends {Emitter<{source: null, names: null, go: null, stop: null}>} */
export class Setup extends Emitter {
  #form = need("setup", HTMLFormElement);
  #camera = need("camera", HTMLSelectElement);
  #microphone = need("microphone", HTMLSelectElement);
  #room = need("room", HTMLInputElement);
  #stream = need("stream", HTMLInputElement);
  #quality = need("quality", HTMLSelectElement);
  #codec = need("codec", HTMLSelectElement);
  #listed = need("listed", HTMLInputElement);
  /** @type {string | undefined} */
  #layers;
  #go = need("go", HTMLButtonElement);
  #sharing = need("sharing", HTMLElement);
  #link = need("link", HTMLInputElement);
  #broadcast = /** @type {BroadcastPhase} */ ("idle");

  /** @param {URLSearchParams} query */
  constructor(query) {
    super();
    const shown = (/** @type {string} */ name) => (isName(name) ? titleOf(name) : name);
    this.#room.value = shown(query.get("room") || "lobby");
    this.#stream.value = shown(query.get("stream") || tabName("cam"));
    this.#fillCodecs(query.get("codec")?.toLowerCase() ?? "");
    this.#layers = query.get("layers") ?? undefined;
    if (BITRATES.has(Number(query.get("quality")))) this.#quality.value = query.get("quality") ?? "";
    for (const input of [this.#camera, this.#microphone, this.#quality]) input.addEventListener("change", () => this.emit("source", null));
    for (const input of [this.#room, this.#stream]) {
      input.addEventListener("input", () => {
        input.removeAttribute("aria-invalid");
        need("name-hint", HTMLElement).textContent = "";
        this.emit("names", null);
      });
    }
    need("from", HTMLElement).addEventListener("change", () => {
      need("camera-field", HTMLElement).hidden = this.choice.from === "screen";
      this.emit("source", null);
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#broadcast === "idle" || this.#broadcast === "refused") this.emit("go", null);
    });
    need("stop", HTMLButtonElement).addEventListener("click", () => this.emit("stop", null));
    need("copy", HTMLButtonElement).addEventListener("click", () => void this.#copy());
    this.#link.addEventListener("focus", () => this.#link.select());
  }

  /** @returns {Choice} */
  get choice() {
    const from = new FormData(this.#form).get("from") === "screen" ? "screen" : "camera";
    return { from, camera: this.#camera.value, microphone: this.#microphone.value, height: Number(this.#quality.value) };
  }

  /** @returns {Names} ids; empty where what is typed can't be a name */
  get names() {
    return { room: idOf(this.#room.value) ?? "", stream: idOf(this.#stream.value) ?? "" };
  }

  /** @returns {PublishOptions} */
  get publishOptions() {
    const { value: codec } = this.#codec;
    return { codec: codec || undefined, scalabilityMode: this.#layers, maxBitrate: BITRATES.get(Number(this.#quality.value)), listed: this.#listed.checked };
  }

  /** Says which name is against the rule, if one is. */
  check() {
    const { room, stream } = this.names;
    const wrong = room === "" ? this.#room : stream === "" ? this.#stream : null;
    for (const input of [this.#room, this.#stream]) input.setAttribute("aria-invalid", String(input === wrong));
    need("name-hint", HTMLElement).textContent = wrong ? nameProblem(wrong.value) : "";
    wrong?.focus();
    return wrong === null;
  }

  /** @param {SetupState} state */
  update({ broadcast, ready }) {
    const idle = broadcast === "idle" || broadcast === "refused";
    const focused = document.activeElement;
    for (const input of [this.#room, this.#stream, this.#codec, this.#listed]) input.disabled = !idle;
    this.#go.hidden = !idle && broadcast !== "starting";
    // A button that was pressed keeps the focus while it works.
    this.#go.disabled = !ready && broadcast !== "starting";
    this.#go.setAttribute("aria-disabled", String(this.#go.disabled || broadcast === "starting"));
    this.#go.textContent = broadcast === "starting" ? "Going live…" : "Go live";
    this.#sharing.hidden = idle;
    this.#moveFocus(broadcast, focused);
    const { room, stream } = this.names;
    this.#link.value = new URL(watchPath(room, stream), location.href).href;
    need("open-link", HTMLAnchorElement).href = this.#link.value;
  }

  /**
   * From a button that is gone to the one that took its place.
   * @param {BroadcastPhase} broadcast
   * @param {Element | null} focused before the change
   */
  #moveFocus(broadcast, focused) {
    const before = this.#broadcast;
    this.#broadcast = broadcast;
    const stop = need("stop", HTMLButtonElement);
    if (broadcast === "live" && before !== "live" && (focused === this.#go || focused === document.body)) stop.focus();
    if (this.#sharing.hidden && before !== "idle" && focused instanceof HTMLElement && this.#sharing.contains(focused)) this.#go.focus();
  }

  /**
   * @param {Devices} devices
   * @param {Choice | null} choice what is used now
   */
  showDevices({ cameras, microphones }, choice) {
    fillDevices(this.#camera, cameras, "camera", choice?.camera ?? null);
    fillDevices(this.#microphone, microphones, "microphone", choice?.microphone ?? null);
  }

  /**
   * Back to what is sent, after a change that did not come to be.
   * @param {Choice} choice
   */
  showChoice({ from, camera, microphone, height }) {
    for (const input of need("from", HTMLElement).querySelectorAll("input")) input.checked = input.value === from;
    need("camera-field", HTMLElement).hidden = from === "screen";
    this.#camera.value = camera;
    this.#microphone.value = microphone;
    this.#quality.value = String(height);
  }

  /** @param {string} preferred */
  #fillCodecs(preferred) {
    const able = RTCRtpSender.getCapabilities?.("video")?.codecs.map((c) => c.mimeType.toLowerCase()) ?? [];
    for (const [value, name] of Object.entries(CODECS)) {
      if (able.includes(`video/${value}`)) this.#codec.append(el("option", { value }, name));
    }
    if (preferred in CODECS) this.#codec.value = preferred;
  }

  async #copy() {
    const copy = need("copy", HTMLButtonElement);
    try {
      await navigator.clipboard.writeText(this.#link.value);
      copy.textContent = "Copied";
    } catch {
      this.#link.focus();
      copy.textContent = "Press Ctrl+C";
    }
    setTimeout(() => (copy.textContent = "Copy"), COPIED_MS);
  }
}
