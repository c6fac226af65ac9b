// Owns how the chat is laid out, and how many messages were not seen yet, as values. Never draws.

/** @import { Chat, Line } from "../../client/state/chat.js" */
/** @import { Guest, People } from "../../client/state/people.js" */

/** One who goes on within this time is not named again. */
const BLOCK_MS_MAX = 5 * 60_000;
const UNSEEN_MAX = 99;

/**
 * Whether a line gets the name and the time of the one who said it.
 * @param {Line | undefined} previous
 * @param {Line} line
 */
export function startsBlock(previous, line) {
  if (line.type !== "said" || previous?.type !== "said") return true;
  const [one, other] = [previous.said, line.said];
  return one.member !== other.member || one.name !== other.name || other.at_ms - one.at_ms > BLOCK_MS_MAX;
}

/**
 * How many of the lines at the front are the same as those shown: only the rest is drawn.
 * @param {Chat} shown
 * @param {Chat} chat
 */
export function sameUpTo(shown, chat) {
  const first = shown.findIndex((line, place) => line !== chat[place]);
  return first < 0 ? shown.length : first;
}

/**
 * What was said before the page came is no news.
 * @param {Line} line
 */
export function isNews(line) {
  return line.type === "gap" || !line.past;
}

/**
 * @param {number} unseen
 * @param {{before: Chat, after: Chat, own: string, visible: boolean}} change
 */
export function countUnseen(unseen, { before, after, own, visible }) {
  if (visible) return 0;
  const known = new Set(before);
  const fresh = after.filter((line) => isNews(line) && line.type === "said" && line.said.member !== own && !known.has(line));
  return Math.min(unseen + fresh.length, UNSEEN_MAX);
}

/**
 * @param {People} people
 * @param {string} own
 * @returns {Guest[]} the others who type
 */
export function typers(people, own) {
  return [...people.values()].filter((guest) => guest.typingUntilMs > 0 && guest.member !== own);
}
