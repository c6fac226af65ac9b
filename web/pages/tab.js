// Owns what is one tab's alone among the tabs of this browser: its name, and the word between tabs of one room.

import { tabName } from "./address.js";

/** A page that was loaded anew may find its own last lock held for a moment. */
const TRIES = 4;
const TRY_EVERY_MS = 60;

/**
 * A name for this tab that survives a reload, and that a copy of the tab does not get.
 * @param {string} prefix
 */
export async function claimTabName(prefix) {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const name = tabName(prefix);
    if (await held(`chappe.tab.${name}`)) return name;
    await new Promise((done) => setTimeout(done, TRY_EVERY_MS));
  }
  return freshTabName(prefix);
}

/**
 * Another name for this tab, which nobody has.
 * @param {string} prefix
 */
export function freshTabName(prefix) {
  sessionStorage.removeItem(`chappe.${prefix}`);
  const name = tabName(prefix);
  void held(`chappe.tab.${name}`);
  return name;
}

/**
 * Holds a lock until the page is gone, if nobody has it.
 * @param {string} lock
 * @returns {Promise<boolean>} also true where there are no locks
 */
function held(lock) {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((done) => {
    void navigator.locks.request(lock, { ifAvailable: true }, (got) => {
      done(got !== null);
      return got ? new Promise(() => {}) : undefined;
    });
  });
}

/** The other tabs of this browser that are in a room. */
export class OtherTabs {
  #channel;
  /** This tab is in the meeting. */
  #inside = false;

  /**
   * @param {string} room
   * @param {{onInside: (inside: boolean) => void, onLeave: () => void}} on `onInside`: another tab is in the room, or left
   *   it; `onLeave`: another tab wants this one to leave
   */
  constructor(room, { onInside, onLeave }) {
    this.#channel = new BroadcastChannel(`chappe.room.${room}`);
    this.#channel.onmessage = ({ data }) => {
      if (data === "who" && this.#inside) this.#channel.postMessage("inside");
      else if (data === "inside") onInside(true);
      else if (data === "left") onInside(false);
      else if (data === "leave" && this.#inside) onLeave();
    };
    this.#channel.postMessage("who");
  }

  /** @param {boolean} inside */
  enter(inside) {
    this.#inside = inside;
    this.#channel.postMessage(inside ? "inside" : "left");
  }

  askToLeave() {
    this.#channel.postMessage("leave");
  }
}
