// Owns the grid of tiles: one per watched stream, as large as fits. Never decides what is watched.

/** @import { View } from "../client/media/watcher.js" */
/** @import { Statistics } from "../client/stats.js" */
/** @import { Sound } from "./state/sound.js" */
/** @import { TileOptions } from "./tile.js" */

import { tileWidth } from "./state/layout.js";
import { Tile } from "./tile.js";

const GAP_PX = 12;

export class Grid {
  #element;
  #options;
  #onChange;
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  /** @type {string | null} the only one that is shown */
  #only = null;

  /**
   * @param {HTMLElement} element
   * @param {(stream: string) => Pick<TileOptions, "href" | "onSoundRefused">} options
   * @param {() => void} onChange something has to be drawn anew
   */
  constructor(element, options, onChange) {
    this.#element = element;
    this.#options = options;
    this.#onChange = onChange;
    new ResizeObserver(() => this.#layOut()).observe(element);
    addEventListener("resize", () => this.#layOut());
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

  /** The tile with the focus, or the first. */
  get foremost() {
    const tiles = [...this.#tiles.values()];
    return tiles.find((t) => t.element.contains(document.activeElement)) ?? tiles[0];
  }

  /** @param {string | null} only those that are hidden are heard on; null: all are shown */
  #showOnly(only) {
    this.#only = only !== null && this.#tiles.has(only) ? only : null;
    for (const [name, tile] of this.#tiles) tile.element.hidden = this.#only !== null && name !== this.#only;
  }

  /** @param {View} view */
  #add(view) {
    const onOnly = () => {
      this.#showOnly(this.#only === view.stream ? null : view.stream);
      this.#onChange();
    };
    const tile = new Tile(view, { ...this.#options(view.stream), onOnly });
    this.#tiles.set(view.stream, tile);
    this.#element.append(tile.element);
    return tile;
  }

  #layOut() {
    const { top, width } = this.#element.getBoundingClientRect();
    const parent = this.#element.parentElement ?? this.#element;
    const height = innerHeight - top - scrollY - parent.scrollTop - parseFloat(getComputedStyle(parent).paddingBottom) - this.#below();
    this.#element.style.setProperty("--tile-width", `${tileWidth(this.#only === null ? this.#tiles.size : 1, width, height, GAP_PX)}px`);
  }

  /** Height of what stays below the grid, such as a dock. */
  #below() {
    return document.querySelector(".dock")?.getBoundingClientRect().height ?? 0;
  }
}
