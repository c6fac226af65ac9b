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
  #go = need("go", HTMLButtonElement);
  #sharing = need("sharing", HTMLElement);
  #link = need("link", HTMLInputElement);
  #autostart;

  /** @param {URLSearchParams} query */
  constructor(query) {
    super();
    this.#autostart = query.get("autostart") === "1";
    this.#room.value = query.get("room") || "lobby";
    this.#stream.value = query.get("stream") || tabName("cam");
    this.#fillCodecs(query.get("codec")?.toLowerCase() ?? "");
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
      this.emit("go", null);
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

  /** @returns {Names} */
  get names() {
    return { room: this.#room.value.trim(), stream: this.#stream.value.trim() };
  }

  /** @returns {PublishOptions} */
  get publishOptions() {
    return { codec: this.#codec.value || undefined, maxBitrate: BITRATES.get(Number(this.#quality.value)) };
  }

  /** True once, when the address asked for it. */
  takeAutostart() {
    const autostart = this.#autostart;
    this.#autostart = false;
    return autostart;
  }

  /** Says which name is against the rule, if one is. */
  check() {
    const { room, stream } = this.names;
    const wrong = !isName(room) ? this.#room : !isName(stream) ? this.#stream : null;
    for (const input of [this.#room, this.#stream]) input.setAttribute("aria-invalid", String(input === wrong));
    need("name-hint", HTMLElement).textContent = wrong ? "Names have letters, digits, dot, dash and underscore, at most 64, and do not start with a dot." : "";
    wrong?.focus();
    return wrong === null;
  }

  /** @param {SetupState} state */
  update({ broadcast, ready }) {
    const idle = broadcast === "idle" || broadcast === "refused";
    for (const input of [this.#room, this.#stream, this.#codec]) input.disabled = !idle;
    this.#go.hidden = !idle && broadcast !== "starting";
    this.#go.disabled = !ready || broadcast === "starting";
    this.#go.textContent = broadcast === "starting" ? "Going live…" : "Go live";
    this.#sharing.hidden = broadcast === "idle" || broadcast === "refused";
    const { room, stream } = this.names;
    this.#link.value = new URL(watchPath(room, stream), location.href).href;
    need("open-link", HTMLAnchorElement).href = this.#link.value;
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
