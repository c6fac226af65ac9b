// Owns what was said in a room as a value: messages in their order, and where some are missing. Never says anything.

/** @import { ChatHistory, Gap, Said, ServerEvent, Welcome } from "../protocol.js" */

/** @typedef {{type: "said", said: Said, past?: true}} SaidLine `past`: it was said before this page came */
/** @typedef {{type: "gap", lost: number | null}} GapLine messages that did not get here; null: nobody knows how many */
/** @typedef {SaidLine | GapLine} Line */
/** @typedef {readonly Line[]} Chat oldest first */

/** @type {Chat} */
export const noChat = [];

/** Lines that a page keeps. */
export const LINES_MAX = 500;
/** As many messages the server tells a newcomer at most: when it tells fewer, it told all that there were. */
const HISTORY_MAX = 100;

/**
 * @param {Chat} chat
 * @param {Welcome | ServerEvent} event
 * @returns {Chat} the same object when nothing changed
 */
export function updateChat(chat, event) {
  switch (event.type) {
    case "welcome":
      return event.chat ? caughtUp(chat, event.chat, !event.resumed && chat.length === 0) : chat;
    case "chat":
      return knows(chat, event.message.id) ? chat : trimmed([...chat, saidLine(event.message)]);
    case "chat_gap":
      return event.lost > 0 ? trimmed(withGap(chat, event, true)) : chat;
    case "chat_history":
      return preceded(chat, event.messages, event.gaps);
    default:
      return chat;
  }
}

/**
 * What was said while the page was away, or before it came.
 * @param {Chat} chat
 * @param {ChatHistory} history
 * @param {boolean} past all of it is from before
 * @returns {Chat}
 */
function caughtUp(chat, { messages, gaps }, past) {
  const fresh = messages.filter(({ id }) => !knows(chat, id));
  const away = chat.length > 0 && fresh.length === messages.length && fresh.length >= HISTORY_MAX;
  /** @type {Line[]} */
  const hole = away ? [{ type: "gap", lost: null }] : [];
  const lines = fresh.length > 0 ? [...chat, ...hole, ...fresh.map(past ? pastLine : saidLine)] : chat;
  return trimmed(gaps.reduce((all, gap) => (gap.lost > 0 ? withGap(all, gap, false) : all), lines));
}

/**
 * @param {Chat} chat
 * @param {Said[]} messages
 * @param {Gap[]} gaps
 * @returns {Chat}
 */
function preceded(chat, messages, gaps) {
  const before = messages.filter(({ id }) => !knows(chat, id)).map(pastLine);
  const lines = before.length > 0 ? [...before, ...chat] : chat;
  return trimmed(gaps.reduce((all, gap) => (gap.lost > 0 ? withGap(all, gap, false) : all), lines));
}

/**
 * @param {Chat} chat
 * @param {Gap} gap
 * @param {boolean} more these are missing besides those that were known to be
 * @returns {Chat}
 */
function withGap(chat, { before, lost }, more) {
  const found = before === null ? -1 : chat.findIndex((line) => line.type === "said" && line.said.id === before);
  const place = found < 0 ? chat.length : found;
  const last = chat[place - 1];
  if (last?.type !== "gap") return [...chat.slice(0, place), { type: "gap", lost }, ...chat.slice(place)];
  const known = last.lost === null || (!more && last.lost >= lost);
  if (known) return chat;
  return [...chat.slice(0, place - 1), { type: "gap", lost: more ? (last.lost ?? 0) + lost : lost }, ...chat.slice(place)];
}

/**
 * @param {Chat} chat
 * @param {string} id
 */
function knows(chat, id) {
  return chat.some((line) => line.type === "said" && line.said.id === id);
}

/**
 * @param {Said} said
 * @returns {Line}
 */
function saidLine(said) {
  return { type: "said", said };
}

/**
 * @param {Said} said
 * @returns {Line}
 */
function pastLine(said) {
  return { type: "said", said, past: true };
}

/**
 * @param {Chat} chat
 * @returns {Chat}
 */
function trimmed(chat) {
  return chat.length > LINES_MAX ? chat.slice(-LINES_MAX) : chat;
}
