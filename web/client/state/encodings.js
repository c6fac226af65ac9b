// Owns which encodings of a picture are sent at a time, and how much of the rate each of them gets. Pure.

/**
 * @typedef {object} Picture
 * @property {number | undefined} lines of its shorter side; undefined: not known
 * @property {boolean} detailed text and drawings, which are sharp or of no use
 * @property {number | undefined} maxBitrate of the largest encoding, in bit/s
 * @property {number | undefined} maxFramerate
 */

/** @typedef {{active: boolean, scaleResolutionDownBy: number, maxBitrate?: number, maxFramerate?: number, scalabilityMode?: string}} Encoding */

/**
 * How many encodings a sender is made with. Their number is fixed from then on, so that a small picture has as many as a
 * large one and sends some of them. A codec whose encoders bring layers in one encoding is sent in one.
 * @param {string | undefined} codec undefined: the server chooses one of those that are sent in several
 */
export function encodingsMax(codec) {
  return codec === undefined || SIMULCAST.has(codec.toLowerCase()) ? SCALES_MAX : 1;
}

/**
 * What each of `count` encodings sends: the smallest picture first, and those beyond the sizes that make sense nothing.
 * Chromium leaves out the last encodings of a small picture by itself, so the last ones are those that are off.
 * What nobody watches is not sent either, but for the smallest: a viewer that joins begins with it.
 * @param {Picture} picture
 * @param {number} count
 * @param {readonly number[]} [unwatched] by their places
 * @returns {Encoding[]}
 */
export function planEncodings({ lines = LINES, detailed, maxBitrate, maxFramerate }, count, unwatched = []) {
  const sizes = Math.min(sizesOf(lines, detailed), count);
  return Array.from({ length: count }, (_, place) => {
    const scale = place < sizes ? 2 ** (sizes - 1 - place) : 1;
    const active = place === 0 || (place < sizes && !unwatched.includes(place));
    const encoding = { active, scaleResolutionDownBy: scale };
    return { ...encoding, ...(maxBitrate !== undefined && { maxBitrate: shareOf(scale, maxBitrate) }), ...(maxFramerate !== undefined && { maxFramerate }) };
  });
}

/**
 * The layers that an encoder is to make within one encoding (W3C webrtc-svc), as many spatial ones as a codec without them
 * would have encodings; undefined: what its browser does by itself. Those of VP9 are told apart by every player. Spatial
 * layers of AV1 are not by players that do not negotiate dependency descriptors, Firefox among them, which would get the
 * lowest alone: AV1 has temporal layers, and spatial ones where they are asked for.
 * @param {Picture} picture
 * @param {string | undefined} codec
 * @param {string | undefined} wanted instead, of a camera
 * @returns {string | undefined}
 */
export function layersWithin({ lines = LINES, detailed }, codec, wanted) {
  const name = codec?.toLowerCase() ?? "";
  if (!LAYERED.has(name)) return undefined;
  if (detailed) return "L1T1";
  if (wanted !== undefined) return wanted;
  const spatial = name === "vp9" ? sizesOf(lines, detailed) : 1;
  return spatial > 1 ? `L${spatial}T3_KEY` : "L1T3";
}

/**
 * @param {number} lines
 * @param {boolean} detailed
 */
function sizesOf(lines, detailed) {
  if (detailed) return 1;
  return lines >= LINES_OF_THREE ? 3 : lines >= LINES_OF_TWO ? 2 : 1;
}

/**
 * What an encoding of this scale may have of what the largest has: as much as libwebrtc wants for it, and no more. With
 * more it would take what is left by larger ones that nobody watches, and outgrow the line of a viewer that it fits.
 * @param {number} scale
 * @param {number} maxBitrate
 */
function shareOf(scale, maxBitrate) {
  return Math.max(Math.round(maxBitrate * (SHARES.get(scale) ?? 1)), Math.min(maxBitrate, BITRATE_MIN));
}

/** The targets of `kSimulcastFormatsVP8` in libwebrtc: 2500, 500 and 150 kbit/s for 720, 360 and 180 lines. */
const SHARES = new Map([[2, 0.2], [4, 0.06]]);
/** @type {Set<string>} */
const SIMULCAST = new Set(["vp8", "h264"]);
/** @type {Set<string>} */
const LAYERED = new Set(["vp9", "av1"]);
const SCALES_MAX = 3;
/** Of a camera that does not say. */
const LINES = 720;
/** Pictures of fewer lines are not sent in so many sizes. */
const LINES_OF_THREE = 540;
const LINES_OF_TWO = 270;
/** Less is no picture. */
const BITRATE_MIN = 100_000;
