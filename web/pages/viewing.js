// Owns what the watch page and the room page share: the grid, sound, statistics, keys and the state of the link.

/** @import { Room } from "../client/room.js" */
/** @import { View } from "../client/media/watcher.js" */
/** @import { Sound } from "./state/sound.js" */

import { watchPath } from "./address.js";
import { face, need } from "./dom.js";
import { Grid } from "./grid.js";
import { Notice } from "./notice.js";
import { updateSound } from "./state/sound.js";
import { linkText } from "./words.js";

const FACTS_EVERY_MS = 1000;

export class Viewing {
  notice = new Notice();
  #room;
  /** @type {Sound} */
  #sound = "on";
  #factsShown = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #factsTimer;
  /** @type {View[]} */
  #views = [];
  #grid;
  #soundButton = need("sound", HTMLButtonElement);
  #factsButton = need("facts", HTMLButtonElement);
  #linkState = need("link-state", HTMLElement);
  #nobody = need("nobody", HTMLElement);
  #status = need("status", HTMLElement);

  /**
   * @param {Room} room
   * @param {{name: string, single: boolean}} options
   */
  constructor(room, { name, single }) {
    this.#room = room;
    this.#grid = new Grid(need("grid", HTMLElement), (stream) => ({
      href: single ? null : watchPath(name, stream),
      onSoundRefused: () => this.#soundChanged("refused"),
    }));
    room.on("views", (views) => this.#viewsChanged(views));
    room.on("state", () => this.#draw());
    room.on("error", (problem) => this.notice.update({ title: "This does not work.", text: problem.message, tone: "bad" }));
    this.#soundButton.addEventListener("click", () => this.#soundChanged("toggled"));
    this.#factsButton.addEventListener("click", () => this.#toggleFacts());
    addEventListener("keydown", (event) => this.#key(event));
    addEventListener("pagehide", () => room.leave());
    this.#draw();
  }

  /** @param {View[]} views */
  #viewsChanged(views) {
    const live = views.filter((v) => v.source).map((v) => v.stream);
    const before = this.#views.filter((v) => v.source).map((v) => v.stream);
    const came = live.filter((n) => !before.includes(n)).map((n) => `${n} is live.`);
    const went = before.filter((n) => !live.includes(n)).map((n) => `${n} left.`);
    if (came.length + went.length > 0) this.#status.textContent = [...came, ...went].join(" ");
    this.#views = views;
    this.#draw();
  }

  /** @param {"toggled" | "refused"} event */
  #soundChanged(event) {
    this.#sound = updateSound(this.#sound, event);
    this.#draw();
  }

  #draw() {
    const { phase } = this.#room.state;
    this.#linkState.dataset["phase"] = phase;
    const text = linkText(this.#room.state);
    if (this.#linkState.textContent !== text) this.#linkState.textContent = text;
    this.#grid.update(this.#views, this.#sound);
    this.#nobody.hidden = this.#views.length > 0 || phase !== "open";
    need("grid", HTMLElement).hidden = this.#views.length === 0;
    this.#soundButton.hidden = this.#views.length === 0;
    this.#soundButton.classList.toggle("primary", this.#sound === "blocked");
    face(this.#soundButton, this.#sound === "on" ? "sound" : "soundOff", this.#sound === "on" ? "Mute" : "Turn on sound");
    this.#factsButton.hidden = this.#views.length === 0;
    this.#factsButton.setAttribute("aria-pressed", String(this.#factsShown));
    face(this.#factsButton, "facts", "Statistics");
  }

  #toggleFacts() {
    this.#factsShown = !this.#factsShown;
    this.#draw();
    clearInterval(this.#factsTimer);
    if (this.#factsShown) this.#factsTimer = setInterval(() => void this.#readFacts(), FACTS_EVERY_MS);
    void this.#readFacts();
  }

  async #readFacts() {
    const statistics = this.#factsShown ? await this.#room.statistics() : null;
    this.#grid.showFacts(this.#factsShown ? statistics : null);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    // Who writes, writes.
    if (event.target instanceof Element && event.target.matches("input, textarea, select")) return;
    switch (event.key.toLowerCase()) {
      case "s":
        return this.#toggleFacts();
      case "m":
        return this.#soundChanged("toggled");
      case "f":
        return this.#grid.foremost?.toggleFullscreen();
    }
  }
}
