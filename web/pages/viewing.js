// Owns what the watch page and the room page share: the grid, sound, statistics, keys and the state of the link.

/** @import { Room } from "../client/room.js" */
/** @import { View } from "../client/media/watcher.js" */
/** @import { NoticeState } from "./notice.js" */
/** @import { Sound } from "./state/sound.js" */
/** @import { LinkLook } from "./words.js" */

import { watchPath } from "./address.js";
import { face, need } from "./dom.js";
import { Grid } from "./grid.js";
import { Notice } from "./notice.js";
import { updateSound } from "./state/sound.js";
import { Steadied } from "./steady.js";
import { LINK_TEXTS, labelOf, linkLook, watchProblem } from "./words.js";

/** @typedef {{title: string, text: string}} Absence */

const FACTS_EVERY_MS = 1000;
const UNREACHABLE = { title: "The server does not answer", text: "It is tried again by itself." };

export class Viewing {
  #notice = new Notice();
  #room;
  /** @type {Sound} */
  #sound = "on";
  #factsShown = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #factsTimer;
  /** @type {View[]} */
  #views = [];
  /** @type {NoticeState | null} */
  #said = null;
  #grid;
  #soundButton = need("sound", HTMLButtonElement);
  #factsButton = need("facts", HTMLButtonElement);
  #linkState = need("link-state", HTMLElement);
  #nobody = need("nobody", HTMLElement);
  #status = need("status", HTMLElement);
  #linkShown = new Steadied(/** @type {LinkLook} */ ("quiet"), () => this.#draw());
  #absence;
  /** Somebody has been live since the page came. */
  #wasLive = false;
  #onKeyM;

  /**
   * @param {Room} room
   * @param {object} options
   * @param {string} options.name
   * @param {{before: Absence, after: Absence}} options.absence what is said while nobody is live, and after somebody was
   * @param {() => void} [options.onKeyM] what the key m does; the sound without it
   */
  constructor(room, { name, absence, onKeyM }) {
    this.#room = room;
    this.#absence = absence;
    this.#onKeyM = onKeyM ?? (() => this.#soundChanged("toggled"));
    this.#grid = new Grid(need("grid", HTMLElement), (stream) => ({
      href: watchPath(name, stream),
      onSoundRefused: () => this.#soundChanged("refused"),
      onSoundWanted: () => this.#soundChanged("toggled"),
      onShown: (shown) => room.show(stream, shown),
    }), () => this.#draw());
    if (!onKeyM) this.#soundButton.setAttribute("aria-keyshortcuts", "m");
    room.on("views", (views) => this.#viewsChanged(views));
    room.on("speaking", (speaking) => this.#grid.showSpeaking(speaking));
    room.on("state", () => this.#draw());
    this.#soundButton.addEventListener("click", () => this.#soundChanged("toggled"));
    this.#factsButton.addEventListener("click", () => this.#toggleFacts());
    addEventListener("keydown", (event) => this.#key(event));
    addEventListener("pagehide", () => room.leave());
    // A page that the browser has kept for the way back has left: it begins anew.
    addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
    this.#draw();
  }

  /** @param {NoticeState | null} notice shown unless watching itself does not work */
  say(notice) {
    this.#said = notice;
    this.#drawProblem();
  }

  /** @param {View[]} views */
  #viewsChanged(views) {
    const live = views.filter((v) => v.source);
    const before = this.#views.filter((v) => v.source);
    const among = (/** @type {View[]} */ list, /** @type {View} */ view) => list.some((v) => v.stream === view.stream);
    const came = live.filter((v) => !among(before, v)).map((v) => `${labelOf(v.stream, v.source)} is live.`);
    const went = before.filter((v) => !among(live, v)).map((v) => `${labelOf(v.stream, v.source)} left.`);
    if (came.length + went.length > 0) this.#status.textContent = [...came, ...went].join(" ");
    this.#wasLive ||= live.length > 0;
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
    const shown = this.#linkShown.update(linkLook(this.#room.state), phase === "open");
    this.#linkState.dataset["phase"] = phase;
    this.#linkState.dataset["look"] = shown;
    const text = LINK_TEXTS[shown];
    if (this.#linkState.textContent !== text) this.#linkState.textContent = text;
    this.#grid.update(this.#views, this.#sound);
    this.#drawAbsence(shown);
    this.#drawProblem();
    need("grid", HTMLElement).hidden = this.#views.length === 0 && !this.#grid.hasOwn;
    this.#soundButton.hidden = this.#views.length === 0;
    this.#soundButton.classList.toggle("primary", this.#sound === "blocked");
    face(this.#soundButton, this.#sound === "on" ? "sound" : "soundOff", this.#sound === "on" ? "Turn off sound" : "Turn on sound");
    this.#factsButton.hidden = this.#views.length === 0;
    this.#factsButton.setAttribute("aria-pressed", String(this.#factsShown));
    face(this.#factsButton, "facts", "Statistics");
  }

  /** @param {LinkLook} link */
  #drawAbsence(link) {
    const { phase } = this.#room.state;
    const unreachable = link === "trying" || link === "lost";
    this.#nobody.hidden = this.#views.length > 0 || this.#room.problem !== null || (phase !== "open" && !unreachable);
    const words = unreachable ? UNREACHABLE : this.#wasLive ? this.#absence.after : this.#absence.before;
    const [title, text] = [this.#nobody.querySelector("h2"), this.#nobody.querySelector("p")];
    if (title && title.textContent !== words.title) title.textContent = words.title;
    if (text && text.textContent !== words.text) text.textContent = words.text;
  }

  /** A note of what is wrong goes with its cause. */
  #drawProblem() {
    const { problem } = this.#room;
    if (!problem) return this.#notice.update(this.#said);
    this.#notice.update({ ...watchProblem(problem), tone: "bad", actions: [{ label: "Try again", run: () => location.reload() }] });
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
        return this.#onKeyM();
      case "f":
        return this.#grid.foremost?.toggleFullscreen();
    }
  }
}
