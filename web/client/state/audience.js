// Owns who watches a room without showing anything, as a value: members by name, players as a number. Never draws.

/** @import { ServerEvent, Stream, Welcome } from "../protocol.js" */
/** @import { Guest, People } from "./people.js" */

/**
 * @typedef {object} Audience
 * @property {Guest[]} members who publish nothing
 * @property {number} players who are no members, such as WHEP players
 */

/**
 * @param {number} players
 * @param {Welcome | ServerEvent} event
 */
export function updatePlayers(players, event) {
  return (event.type === "welcome" || event.type === "players" ? event.players : undefined) ?? players;
}

/**
 * @param {People} people
 * @param {Stream[]} streams
 * @param {number} players
 * @returns {Audience}
 */
export function audienceOf(people, streams, players) {
  const seen = new Set(streams.map(({ publisher }) => publisher));
  return { members: [...people.values()].filter(({ member }) => !seen.has(member)), players };
}
