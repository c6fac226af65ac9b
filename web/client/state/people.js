// Owns who is in a room, and who types, as a value. Never reads a clock.

/** @import { Person, ServerEvent, Welcome } from "../protocol.js" */

/**
 * Somebody in the room.
 * @typedef {object} Guest
 * @property {string} member
 * @property {string | null} name
 * @property {number} typingUntilMs 0: does not type
 */

/** @typedef {ReadonlyMap<string, Guest>} People by member, in the order in which they came */

/** @type {People} */
export const nobody = new Map();

/** The last word of somebody who types is good for so long. */
export const TYPING_MS = 5000;
/** People that a page keeps. */
const PEOPLE_MAX = 10_000;

/**
 * @param {People} people
 * @param {Welcome | ServerEvent | {type: "time"}} event
 * @param {number} nowMs
 * @returns {People} the same object when nothing changed
 */
export function updatePeople(people, event, nowMs) {
  switch (event.type) {
    case "welcome":
      return event.here ? everybody(people, event.here) : people;
    case "here":
      return everybody(people, event.people);
    case "joined":
      return came(people, event.person);
    case "left":
      return people.has(event.member) ? new Map([...people].filter(([member]) => member !== event.member)) : people;
    case "typing":
      return typing(people, event.member, event.typing ? nowMs + TYPING_MS : 0);
    case "chat":
      return typing(people, event.message.member, 0);
    case "time":
      return [...people.values()].filter((g) => g.typingUntilMs !== 0 && g.typingUntilMs <= nowMs).reduce((all, g) => typing(all, g.member, 0), people);
    default:
      return people;
  }
}

/**
 * When a word of somebody who types stops being good.
 * @param {People} people
 * @returns {number | null}
 */
export function nextTypingEndMs(people) {
  const ends = [...people.values()].map((g) => g.typingUntilMs).filter((ms) => ms > 0);
  return ends.length > 0 ? Math.min(...ends) : null;
}

/**
 * @param {People} people
 * @param {Person[]} list
 * @returns {People}
 */
function everybody(people, list) {
  return new Map(list.slice(0, PEOPLE_MAX).map(({ member, name }) => [member, guest(people, member, name)]));
}

/**
 * @param {People} people
 * @param {Person} person
 * @returns {People}
 */
function came(people, { member, name }) {
  if (!people.has(member) && people.size >= PEOPLE_MAX) return people;
  return new Map(people).set(member, guest(people, member, name));
}

/**
 * @param {People} people
 * @param {string} member
 * @param {string | null | undefined} name
 * @returns {Guest}
 */
function guest(people, member, name) {
  return { member, name: name || null, typingUntilMs: people.get(member)?.typingUntilMs ?? 0 };
}

/**
 * @param {People} people
 * @param {string} member
 * @param {number} untilMs
 * @returns {People}
 */
function typing(people, member, untilMs) {
  const known = people.get(member);
  if (!known || known.typingUntilMs === untilMs) return people;
  return new Map(people).set(member, { ...known, typingUntilMs: untilMs });
}
