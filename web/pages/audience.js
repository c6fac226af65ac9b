// Owns the line that says who watches without showing anything: how many, and in a meeting by name.

/** @import { Room } from "../client/room.js" */

import { el, need } from "./dom.js";
import { Steadied } from "./steady.js";
import { audienceText } from "./words.js";

export class AudienceLine {
  #room;
  #named;
  /** Who comes to show something shows nothing for a moment. */
  #text = new Steadied("", () => this.update());
  #line = el("span", { id: "watching", class: "place watching", dir: "auto" });

  /**
   * @param {Room} room
   * @param {{named: boolean}} options
   */
  constructor(room, { named }) {
    this.#room = room;
    this.#named = named;
    document.querySelector("#watching")?.remove();
    need("place", HTMLElement).after(this.#line);
    for (const event of /** @type {const} */ (["people", "streams"])) room.on(event, () => this.update());
    this.update();
  }

  update() {
    const { audience, member } = this.#room;
    const text = this.#text.update(audienceText(audience, { named: this.#named, member }), false);
    if (this.#line.textContent !== text) this.#line.textContent = text;
  }

  end() {
    this.#line.remove();
  }
}
