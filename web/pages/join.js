// Owns the step before a meeting: own picture, name and devices, and the click that joins. Never publishes.

/** @import { Capture, Devices } from "./capture.js" */
/** @import { Choice } from "./state/sources.js" */

import { Emitter } from "../client/emitter.js";
import { ownName, keepName } from "./address.js";
import { fillDevices } from "./devices.js";
import { el, need } from "./dom.js";
import { Level } from "./level.js";
import { joinText } from "./state/meeting.js";
import { titleOf } from "./state/title.js";
import { deviceProblem } from "./words.js";

/** @extends {Emitter<{join: {name: string}, move: null}>} */
export class JoinStep extends Emitter {
  #capture;
  #height;
  #video = el("video", { id: "join-preview", class: "mirrored", playsinline: true, autoplay: true, "aria-label": "Your picture" });
  #middle = el("p", {});
  #meter = el("div", { class: "meter", "aria-hidden": "true", hidden: true }, el("span", {}));
  #level = new Level(this.#meter);
  #name = el("input", { id: "join-name", type: "text", maxlength: "64", autocomplete: "nickname", placeholder: "Guest", dir: "auto" });
  #camera = el("select", { id: "camera" });
  #microphone = el("select", { id: "microphone" });
  #problem = el("p", { id: "join-problem", class: "hint", role: "status" });
  #again = el("button", { type: "button", id: "join-again", hidden: true }, "Try again");
  #elsewhere = el("p", { id: "join-elsewhere", class: "hint", hidden: true });
  #join = el("button", { id: "join", class: "primary" }, "Join");
  #element;
  /** @type {MediaStream | null} */
  #shown = null;

  /**
   * @param {string} room
   * @param {Capture} capture
   * @param {number} height of the picture
   */
  constructor(room, capture, height) {
    super();
    this.#capture = capture;
    this.#height = height;
    this.#video.muted = true;
    this.#name.value = ownName();
    this.#element = this.#build(room);
    need("main", HTMLElement).append(this.#element);
    capture.on("state", () => this.update());
    capture.on("devices", (devices) => this.#listed(devices));
    this.update();
  }

  /** @returns {Choice} */
  get choice() {
    return { from: "camera", camera: this.#camera.value, microphone: this.#microphone.value, height: this.#height };
  }

  update() {
    const { state, mediaStream, choice } = this.#capture;
    if (mediaStream !== this.#shown) {
      this.#shown = mediaStream;
      this.#video.srcObject = mediaStream;
      this.#level.update(mediaStream);
    }
    const pictured = (mediaStream?.getVideoTracks().length ?? 0) > 0;
    this.#video.hidden = !pictured;
    this.#middle.hidden = pictured;
    this.#middle.textContent = joinText(state, mediaStream !== null && mediaStream.getAudioTracks().length > 0);
    const words = state.problem ? deviceProblem(state.problem, "camera") : null;
    const text = words ? `${words.title} ${words.text} You can join without.` : "";
    if (this.#problem.textContent !== text) this.#problem.textContent = text;
    this.#again.hidden = words === null;
    this.#join.disabled = state.phase === "asking";
    if (state.phase === "on" && choice) {
      this.#camera.value = choice.camera;
      this.#microphone.value = choice.microphone;
    }
  }

  /** @param {boolean} inside another tab of this browser is in the room */
  showElsewhere(inside) {
    this.#elsewhere.hidden = !inside;
  }

  end() {
    this.#level.update(null);
    this.#video.srcObject = null;
    this.#element.remove();
  }

  /** @param {Devices} devices */
  #listed({ cameras, microphones }) {
    fillDevices(this.#camera, cameras, "camera", this.#capture.choice?.camera ?? null);
    fillDevices(this.#microphone, microphones, "microphone", this.#capture.choice?.microphone ?? null);
  }

  /** @param {string} room */
  #build(room) {
    const ask = () => void this.#capture.ask(this.choice);
    for (const select of [this.#camera, this.#microphone]) select.addEventListener("change", ask);
    this.#again.addEventListener("click", ask);
    const move = el("button", { type: "button", class: "link" }, "Leave it there");
    move.addEventListener("click", () => this.emit("move", null));
    this.#elsewhere.append("You are in this room already, in another tab: both would hear each other. ", move);
    const field = (/** @type {string} */ text, /** @type {HTMLElement} */ input) => el("div", {}, el("label", { for: input.id }, text), input);
    const form = el("form", { class: "fields" }, field("Your name", this.#name), field("Camera", this.#camera), field("Microphone", this.#microphone),
      this.#problem, this.#again, this.#elsewhere, this.#join);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#join.disabled) return;
      const name = this.#name.value.trim();
      keepName(name);
      this.emit("join", { name });
    });
    const screen = el("div", { class: "screen" }, this.#video, el("div", { class: "middle" }, this.#middle), this.#meter);
    return el("section", { id: "join-step", class: "join", "aria-label": "Before you join" },
      screen, el("div", { class: "card panel" }, el("h2", {}, "Join ", el("bdi", {}, titleOf(room))), el("p", { class: "hint" }, "Nobody sees or hears you before you join."), form));
  }
}
