// Owns the start page: naming a room, and the list of rooms that are live.

import { isName } from "../client/protocol.js";
import { at, watchPath } from "./address.js";
import { el, need } from "./dom.js";

/** @typedef {{room: string, streams: number}} LiveRoom */
/** @typedef {{phase: "loading" | "known" | "unreachable", rooms: LiveRoom[]}} RoomsState */

const REFRESH_MS = 3000;
const ANSWER_MS_MAX = 5000;

class RoomList {
  #list = need("rooms", HTMLUListElement);
  #empty = need("rooms-empty", HTMLElement);
  #note = need("rooms-state", HTMLElement);
  #shown = "";

  /** @param {RoomsState} state */
  update(state) {
    this.#note.textContent = state.phase === "unreachable" ? "Server not reachable, trying again…" : "";
    this.#empty.hidden = state.phase !== "known" || state.rooms.length > 0;
    const key = JSON.stringify(state.rooms);
    // A list that is the same is left alone, so that the focus stays where it is.
    if (key === this.#shown) return;
    this.#shown = key;
    this.#list.replaceChildren(...state.rooms.map(entry));
  }
}

/** @param {LiveRoom} room */
function entry({ room, streams }) {
  const count = streams === 1 ? "1 stream" : `${streams} streams`;
  return el("li", {}, el("a", { href: watchPath(room) },
    el("span", { class: "dot", "aria-hidden": "true" }),
    el("span", { class: "room-name" }, room),
    el("span", { class: "count" }, count)));
}

/** @returns {Promise<LiveRoom[]>} */
async function liveRooms() {
  const response = await fetch(at("/api/rooms"), { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  /** @type {{room: string, streams: number}[]} */
  const rooms = await response.json();
  return rooms.filter((r) => r.streams > 0);
}

/** @param {RoomList} list */
async function refresh(list) {
  /** @type {LiveRoom[]} */
  let rooms = [];
  for (;;) {
    if (!document.hidden) {
      try {
        rooms = await liveRooms();
        list.update({ phase: "known", rooms });
      } catch {
        list.update({ phase: "unreachable", rooms });
      }
    }
    await new Promise((done) => setTimeout(done, REFRESH_MS));
  }
}

/** @param {SubmitEvent} event */
function go(event) {
  event.preventDefault();
  const input = need("room", HTMLInputElement);
  const room = input.value.trim() || input.placeholder;
  if (!isName(room)) {
    input.setAttribute("aria-invalid", "true");
    need("room-hint", HTMLElement).textContent = "Please use only letters, digits, dot, dash and underscore (at most 64), not starting with a dot.";
    input.focus();
    return;
  }
  const where = event.submitter instanceof HTMLButtonElement ? event.submitter.value : "publish";
  const paths = { watch: watchPath(room), room: at(`/room/${encodeURIComponent(room)}`), publish: at(`/publish?room=${encodeURIComponent(room)}`) };
  location.assign(paths[/** @type {keyof typeof paths} */ (where)] ?? paths.publish);
}

need("form", HTMLFormElement).addEventListener("submit", go);
void refresh(new RoomList());
