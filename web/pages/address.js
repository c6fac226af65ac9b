// Owns the addresses of pages and the names in them. Never navigates.

import { isName } from "../client/protocol.js";
import { homeOf } from "../client/state/servers.js";

/** Path below which a proxy shows the server; empty without one. */
const BASE = new URL(homeOf(import.meta.url) ?? "http://none").pathname.replace(/\/+$/, "");

/**
 * The address of a page or an answer of the server.
 * @param {string} path as the server knows it, from its first slash on
 */
export function at(path) {
  return BASE + path;
}

/**
 * @param {string} room
 * @param {string} [stream]
 */
export function watchPath(room, stream) {
  const path = at(`/watch/${encodeURIComponent(room)}`);
  return stream ? `${path}/${encodeURIComponent(stream)}` : path;
}

/**
 * Room and stream of `/watch/{room}/{stream}` or `/room/{room}`; null where a name is missing or against the rule.
 * @param {string} path
 * @returns {{room: string | null, stream: string | null}}
 */
export function namesIn(path) {
  const [room, stream] = path.slice(BASE.length).split("/").slice(2).map(decoded);
  return { room: valid(room), stream: valid(stream) };
}

/** @param {string | null | undefined} name */
function valid(name) {
  return name && isName(name) ? name : null;
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

/**
 * A name for this tab that survives a reload.
 * @param {string} prefix
 */
export function tabName(prefix) {
  const key = `chappe.${prefix}`;
  const kept = sessionStorage.getItem(key);
  if (kept) return kept;
  const name = `${prefix}-${Math.random().toString(36).slice(2, 6).padEnd(4, "0")}`;
  sessionStorage.setItem(key, name);
  return name;
}

const TOKEN_KEY = "chappe.token";

/**
 * The token that this tab was opened with: `#token=…` or, less well because servers log it, `?token=…`. It is taken out
 * of the address, which people send to others, and kept for this tab alone.
 * @returns {string | undefined}
 */
export function ownToken() {
  const url = new URL(location.href);
  const fragment = new URLSearchParams(url.hash.slice(1));
  const given = fragment.get("token") ?? url.searchParams.get("token");
  if (given !== null) {
    sessionStorage.setItem(TOKEN_KEY, given);
    fragment.delete("token");
    url.searchParams.delete("token");
    url.hash = fragment.toString();
    history.replaceState(history.state, "", url);
  }
  return sessionStorage.getItem(TOKEN_KEY) ?? undefined;
}

const NAME_KEY = "chappe.name";

/** What others shall call this person: as the address says, or as was typed here before. */
export function ownName() {
  return (new URLSearchParams(location.search).get("name") ?? localStorage.getItem(NAME_KEY) ?? "").trim().slice(0, 64);
}

/** @param {string} name */
export function keepName(name) {
  if (name) localStorage.setItem(NAME_KEY, name);
  else localStorage.removeItem(NAME_KEY);
}
