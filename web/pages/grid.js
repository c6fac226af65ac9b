// Owns the grid of tiles: one per watched stream and the own picture, as large as fits. Never decides what is watched.

/** @import { View } from "../client/media/watcher.js" */
/** @import { Statistics } from "../client/stats.js" */
/** @import { Sound } from "./state/sound.js" */
/** @import { TileOptions } from "./tile.js" */

import { tileWidth } from "./state/layout.js";
import { Tile } from "./tile.js";

export class Grid {
  #element;
  #options;
  #onChange;
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  /** @type {string | null} the only one that is shown */
  #only = null;
  /** @type {HTMLElement | null} the own picture, which comes last */
  #own;

  /**
   * @param {HTMLElement} element where the own picture is, if it has one
   * @param {(stream: string) => Omit<TileOptions, "onOnly">} options
   * @param {() => void} onChange something has to be drawn anew
   */
  constructor(element, options, onChange) {
    this.#element = element;
    this.#own = element.querySelector(".own");
    this.#options = options;
    this.#onChange = onChange;
    new ResizeObserver(() => this.#layOut()).observe(element);
  }

  /**
   * @param {View[]} views
   * @param {Sound} sound
   */
  update(views, sound) {
    const names = new Set(views.map((v) => v.stream));
    for (const [name, tile] of this.#tiles) {
      if (names.has(name)) continue;
      tile.remove();
      this.#tiles.delete(name);
    }
    for (const view of views) {
      const tile = this.#tiles.get(view.stream) ?? this.#add(view);
      tile.update(view, sound, views, view.stream === this.#only);
    }
    this.#showOnly(this.#only);
    this.#layOut();
  }

  /** @param {Statistics | null} statistics */
  showFacts(statistics) {
    for (const tile of this.#tiles.values()) tile.showFacts(statistics);
  }

  /** @param {ReadonlySet<string>} speaking names of streams */
  showSpeaking(speaking) {
    for (const [name, tile] of this.#tiles) tile.showSpeaking(speaking.has(name));
  }

  /** The own picture is among them, also when nobody else is there. */
  get hasOwn() {
    return this.#own !== null;
  }

  /** The tile with the focus, or the first. */
  get foremost() {
    const tiles = [...this.#tiles.values()];
    return tiles.find((t) => t.element.contains(document.activeElement)) ?? tiles[0];
  }

  /** @param {string | null} only those that are hidden are heard on; null: all are shown */
  #showOnly(only) {
    this.#only = only !== null && this.#tiles.has(only) ? only : null;
    for (const [name, tile] of this.#tiles) tile.element.hidden = this.#only !== null && name !== this.#only;
    if (this.#own) this.#own.hidden = this.#only !== null;
  }

  /** @param {View} view */
  #add(view) {
    const onOnly = () => {
      this.#showOnly(this.#only === view.stream ? null : view.stream);
      this.#onChange();
    };
    const tile = new Tile(view, { ...this.#options(view.stream), onOnly });
    this.#tiles.set(view.stream, tile);
    this.#element.insertBefore(tile.element, this.#own);
    return tile;
  }

  #layOut() {
    const { clientWidth, clientHeight, offsetWidth } = this.#element;
    // The place that is kept for a scrollbar lies in the margin, so that the tiles stand in the middle.
    this.#element.style.marginRight = `${clientWidth - offsetWidth}px`;
    const gap = parseFloat(getComputedStyle(this.#element).columnGap);
    const shown = [...this.#element.children].filter((e) => e instanceof HTMLElement && !e.hidden).length;
    this.#element.style.setProperty("--tile-width", `${tileWidth(shown, clientWidth, clientHeight, gap)}px`);
  }
}
