// Owns the judgement whether what is shown of one stream moves, stands, or has lost its path. Never asks for statistics.

/**
 * @typedef {object} Motion
 * @property {number} frames decoded of the stream's video when last looked
 * @property {number} movedMs when that count last moved
 * @property {Arriving} arriving
 */

/**
 * `cut`: nothing at all came over the stream's path for a second; `standing`: the path is well, but no new picture comes.
 * @typedef {"flowing" | "standing" | "cut"} Arriving
 */

/** What lasts less than this is not told to anybody. */
export const CUT_MS_MIN = 1000;
/** After this long without a frame it stands, although the server says that media flows: a shared screen has a frame a second. */
const STANDS_MS_MIN = 3000;

/**
 * @param {Motion | null} last
 * @param {object} look
 * @param {number} look.frames
 * @param {number} look.nowMs
 * @param {number} look.silentMs since something came over the path, of whatever kind
 * @param {"some" | "none" | "unknown"} look.expected what the server says of the pictures; `unknown`: there are none to come
 * @returns {Motion}
 */
export function updateMotion(last, { frames, nowMs, silentMs, expected }) {
  const moved = !last || frames !== last.frames || expected === "unknown";
  const movedMs = moved ? nowMs : last.movedMs;
  const standsMs = nowMs - movedMs;
  const limitMs = expected === "none" ? CUT_MS_MIN : STANDS_MS_MIN;
  const arriving = silentMs >= CUT_MS_MIN ? "cut" : standsMs >= limitMs ? "standing" : "flowing";
  return { frames, movedMs, arriving };
}
