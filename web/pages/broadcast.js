// Owns being live: joining the room, publishing, and the figures shown meanwhile. Never asks for a camera.

/** @import { Publisher, PublishOptions } from "../client/media/publisher.js" */
/** @import { Names } from "./setup.js" */
/** @import { LinkLook } from "./words.js" */

import { Emitter } from "../client/emitter.js";
import { Room } from "../client/room.js";
import { ownName, ownToken } from "./address.js";
import { AudienceLine } from "./audience.js";
import { need } from "./dom.js";
import { publishedBefore, rememberPublished } from "./own_stream.js";
import { initialBroadcast, updateBroadcast } from "./state/broadcast.js";
import { Steadied } from "./steady.js";
import { LINK_TEXTS, linkLook, sentTexts } from "./words.js";

/** @typedef {import("./state/broadcast.js").BroadcastState} BroadcastState */

const FIGURES_EVERY_MS = 1000;

/** @extends {Emitter<{state: BroadcastState}>} */
export class Broadcast extends Emitter {
  /** @type {BroadcastState} */
  state = initialBroadcast;
  /** @type {Publisher | null} */
  publisher = null;
  /** @type {Room | null} */
  #room = null;
  /** @type {AudienceLine | null} */
  #audience = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /** The WebSocket is down; media may flow all the same. */
  get linkBroken() {
    return this.#look === "trying";
  }

  /** What is shown: it has lasted. */
  shown = this.state.phase;
  /** @type {LinkLook} */
  #look = "quiet";
  #steadyPhase = new Steadied(this.state.phase, () => this.#again());
  #steadyLook = new Steadied(/** @type {LinkLook} */ ("quiet"), () => this.#again());

  /**
   * @param {Names} names
   * @param {MediaStream} mediaStream
   * @param {PublishOptions} options
   */
  go({ room: name, stream }, mediaStream, options) {
    this.stop();
    this.#dispatch({ type: "go" });
    const room = new Room({ room: name, name: ownName(), token: ownToken() });
    this.#room = room;
    this.#audience = new AudienceLine(room, { named: false });
    room.on("state", (link) => this.#dispatch({ type: "link", link }));
    this.publisher = room.publish(stream, mediaStream, { ...options, insteadOf: publishedBefore(name, stream) });
    this.publisher.on("state", (session) => {
      if (session.phase === "live" && session.session) rememberPublished(name, stream, session.session);
      this.#dispatch({ type: "session", session });
    });
    this.publisher.on("moderated", () => this.emit("state", this.state));
    this.#timer = setInterval(() => void this.#showFigures(), FIGURES_EVERY_MS);
  }

  /** After a refusal. */
  again() {
    this.publisher?.start();
  }

  stop() {
    clearInterval(this.#timer);
    this.#room?.leave();
    this.#room = null;
    this.#audience?.end();
    this.publisher = null;
    this.#dispatch({ type: "stop" });
  }

  /** @param {Parameters<typeof updateBroadcast>[1]} event */
  #dispatch(event) {
    const before = this.state;
    this.state = updateBroadcast(before, event);
    this.#draw();
    if (this.state !== before || event.type === "link") this.emit("state", this.state);
  }

  /** The next refusal is another one. */
  forget() {
    if (this.state.phase === "refused") this.stop();
  }

  #again() {
    this.#draw();
    this.emit("state", this.state);
  }

  #draw() {
    const { phase } = this.state;
    this.shown = this.#steadyPhase.update(phase, phase !== "reconnecting");
    this.#look = this.#steadyLook.update(this.#room ? linkLook(this.#room.state) : "quiet", !this.#room || this.#room.state.phase === "open");
    const link = need("link-state", HTMLElement);
    link.hidden = !this.#room;
    if (this.#room) {
      link.dataset["phase"] = this.#room.state.phase;
      link.dataset["look"] = this.#look;
      link.textContent = LINK_TEXTS[this.#look];
    }
    need("figures", HTMLElement).hidden = phase !== "live" && phase !== "reconnecting";
    const said = { idle: "", starting: "Going live.", live: "You are live.", reconnecting: "Reconnecting.", refused: "Not live." }[this.shown];
    const status = need("status", HTMLElement);
    if (status.textContent !== said) status.textContent = said;
  }

  async #showFigures() {
    const statistics = (await this.publisher?.statistics()) ?? null;
    // What does not get to the server is not sent, whatever the browser still gives out.
    const sends = (this.shown === "live" && this.publisher?.sends) || { video: false, audio: false };
    const texts = sentTexts(statistics, sends);
    for (const [id, text] of Object.entries(texts)) need(id, HTMLElement).textContent = text;
  }
}
