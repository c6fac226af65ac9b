// Owns the browser's question whether a page shall really be left. Never asks it by itself.

export class Stay {
  #asks = false;

  /** @param {boolean} asks others would lose this person's picture */
  update(asks) {
    if (asks === this.#asks) return;
    this.#asks = asks;
    // A page that listens is not kept for the way back, so it listens only meanwhile.
    if (asks) addEventListener("beforeunload", ask);
    else removeEventListener("beforeunload", ask);
  }
}

/** @param {BeforeUnloadEvent} event */
function ask(event) {
  event.preventDefault();
  // Older browsers ask only so.
  event.returnValue = true;
}
