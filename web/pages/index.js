// Owns the start page: naming a room, and the list of rooms that are live.

import { at, ownToken, watchPath } from "./address.js";
import { el, named, need } from "./dom.js";
import { idOf } from "./state/title.js";
import { Steadied } from "./steady.js";
import { nameProblem } from "./words.js";

/** @typedef {{room: string, streams: number, names?: string[]}} LiveRoom `names`: what else is live there is not listed */
/** @typedef {{phase: "loading" | "known" | "unreachable", rooms: LiveRoom[]}} RoomsState */

const REFRESH_MS = 3000;
/** A server that does not answer is asked again sooner. */
const RETRY_MS = 500;
const ANSWER_MS_MAX = 5000;
const HINT = need("room-hint", HTMLElement).textContent;

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
    this.#list.replaceChildren(...state.rooms.flatMap(entries));
  }
}

/** @param {LiveRoom} room */
function entries({ room, streams, names }) {
  if (names) return names.map((name) => entry(room, watchPath(room, name), name));
  return [entry(room, watchPath(room), streams === 1 ? "1 stream" : `${streams} streams`)];
}

/**
 * @param {string} room
 * @param {string} href
 * @param {string} what of the room is meant
 */
function entry(room, href, what) {
  return el("li", {}, el("a", { href },
    el("span", { class: "dot", "aria-hidden": "true" }),
    el("span", { class: "room-name" }, ...named(room)),
    el("span", { class: "count" }, what)));
}

/** @returns {Promise<LiveRoom[]>} */
async function liveRooms() {
  const token = ownToken();
  const headers = token ? { authorization: `Bearer ${token}` } : undefined;
  const response = await fetch(at("/api/rooms"), { headers, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  // Without a token, or with one that is over, there is no list: an address says where to go.
  if (response.status === 401 || response.status === 403) return [];
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  /** @type {LiveRoom[]} */
  const rooms = await response.json();
  return rooms.filter((r) => r.streams > 0);
}

/** @param {RoomList} list */
async function refresh(list) {
  /** @type {LiveRoom[]} */
  let rooms = [];
  let phase = /** @type {RoomsState["phase"]} */ ("loading");
  const shown = new Steadied(phase, () => draw());
  const draw = () => list.update({ phase: shown.update(phase, phase === "known"), rooms });
  for (;;) {
    const now = document.hidden ? rooms : await liveRooms().catch(() => null);
    rooms = now ?? rooms;
    // A question that ends because the page is left says nothing of the server.
    if (!document.hidden) phase = now ? "known" : "unreachable";
    draw();
    await new Promise((done) => setTimeout(done, now ? REFRESH_MS : RETRY_MS));
  }
}

/** @param {SubmitEvent} event */
function go(event) {
  event.preventDefault();
  const input = need("room", HTMLInputElement);
  const room = idOf(input.value.trim() || input.placeholder);
  if (room === null) {
    input.setAttribute("aria-invalid", "true");
    need("room-hint", HTMLElement).textContent = nameProblem(input.value);
    input.focus();
    return;
  }
  const where = event.submitter instanceof HTMLButtonElement ? event.submitter.value : "publish";
  const paths = { watch: watchPath(room), room: at(`/room/${encodeURIComponent(room)}`), publish: at(`/publish?room=${encodeURIComponent(room)}`) };
  location.assign(paths[/** @type {keyof typeof paths} */ (where)] ?? paths.publish);
}

/** What was wrong with a name is no longer said of another one. */
function forgetProblem() {
  const input = need("room", HTMLInputElement);
  if (!input.hasAttribute("aria-invalid")) return;
  input.removeAttribute("aria-invalid");
  need("room-hint", HTMLElement).textContent = HINT;
}

need("form", HTMLFormElement).addEventListener("submit", go);
need("room", HTMLInputElement).addEventListener("input", forgetProblem);
void refresh(new RoomList());
