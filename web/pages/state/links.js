// Owns where in a text the web addresses are. Never makes a link of anything else.

/** @typedef {{text: string, href: string | null}} Segment */

/** Up to white space, quotes and angle brackets, as people write them around an address. */
const ADDRESS = /\bhttps?:\/\/[^\s<>"“”„«»]+/giu;
/** What ends a sentence is no part of the address before it. */
const AFTER = /[.,;:!?'’…)\]}*_~]$/u;

/**
 * @param {string} text
 * @returns {Segment[]} which together are the text
 */
export function segments(text) {
  /** @type {Segment[]} */
  const found = [];
  let at = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimmed(match[0]);
    const href = safe(address);
    if (href === null) continue;
    if (match.index > at) found.push({ text: text.slice(at, match.index), href: null });
    found.push({ text: address, href });
    at = match.index + address.length;
  }
  if (at < text.length) found.push({ text: text.slice(at), href: null });
  return found;
}

/**
 * A closing bracket stays where the address has the opening one.
 * @param {string} address
 */
function trimmed(address) {
  let kept = address;
  while (AFTER.test(kept)) {
    const last = kept.at(-1) ?? "";
    const opening = { ")": "(", "]": "[", "}": "{" }[last];
    if (opening && kept.split(opening).length >= kept.split(last).length) break;
    kept = kept.slice(0, -1);
  }
  return kept;
}

/**
 * @param {string} address
 * @returns {string | null} null: it can't be opened, or hides where it leads
 */
function safe(address) {
  try {
    const { protocol, hostname, username, password, href } = new URL(address);
    return /^https?:$/.test(protocol) && hostname !== "" && username === "" && password === "" ? href : null;
  } catch {
    return null;
  }
}
