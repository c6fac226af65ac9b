// Owns the reading of an RTCStatsReport: rates, picture size, codec, loss, round trip. Never asks for a report.

/** @import { Kind } from "./protocol.js" */

/**
 * @typedef {object} TrackStatistics
 * @property {string} mid
 * @property {Kind} kind
 * @property {"in" | "out"} direction
 * @property {string} codec such as `VP8`; empty before the first packet
 * @property {number} bytes
 * @property {number} bitrate bit/s since the last reading
 * @property {number} width
 * @property {number} height
 * @property {number} fps
 * @property {number} frames decoded or encoded
 * @property {number} packets
 * @property {number} packetsLost
 * @property {number} jitterMs
 * @property {number} freezes
 * @property {number} audioLevel 0–1
 * @property {number} audioEnergy
 */

/**
 * @typedef {object} Statistics
 * @property {number} atMs
 * @property {number | null} roundTripMs
 * @property {string} transport `udp` or `tcp`; empty before a path is found
 * @property {number} bitrate of all tracks
 * @property {TrackStatistics[]} tracks
 */

/**
 * @param {Iterable<any>} report values of an RTCStatsReport
 * @param {Statistics | null} previous
 * @returns {Statistics}
 */
export function summarize(report, previous) {
  const byId = new Map([...report].map((entry) => [entry.id, entry]));
  const entries = [...byId.values()];
  const streams = entries.filter((e) => e.type === "inbound-rtp" || e.type === "outbound-rtp");
  const atMs = streams.reduce((latest, e) => Math.max(latest, e.timestamp), 0);
  const seconds = previous ? (atMs - previous.atMs) / 1000 : 0;
  const tracks = oneOfEach(streams.map((e) => trackOf(e, byId))).map((track) => {
    const before = previous?.tracks.find((t) => t.mid === track.mid && t.direction === track.direction);
    return before && seconds > 0 ? { ...track, bitrate: Math.max(0, ((track.bytes - before.bytes) * 8) / seconds) } : track;
  });
  const pair = selectedPair(entries, byId);
  const roundTrip = pair?.currentRoundTripTime;
  return {
    atMs,
    roundTripMs: typeof roundTrip === "number" ? roundTrip * 1000 : null,
    transport: byId.get(pair?.localCandidateId)?.protocol ?? "",
    bitrate: tracks.reduce((sum, t) => sum + t.bitrate, 0),
    tracks,
  };
}

/**
 * @param {any} e an inbound-rtp or outbound-rtp entry
 * @param {Map<string, any>} byId
 * @returns {TrackStatistics}
 */
function trackOf(e, byId) {
  const inbound = e.type === "inbound-rtp";
  const remote = byId.get(e.remoteId);
  return {
    mid: e.mid ?? "",
    kind: e.kind,
    direction: inbound ? "in" : "out",
    codec: byId.get(e.codecId)?.mimeType?.split("/")[1] ?? "",
    bytes: (inbound ? e.bytesReceived : e.bytesSent) ?? 0,
    bitrate: 0,
    width: e.frameWidth ?? 0,
    height: e.frameHeight ?? 0,
    fps: e.framesPerSecond ?? 0,
    frames: (inbound ? e.framesDecoded : e.framesEncoded) ?? 0,
    packets: (inbound ? e.packetsReceived : e.packetsSent) ?? 0,
    packetsLost: (inbound ? e.packetsLost : remote?.packetsLost) ?? 0,
    jitterMs: ((inbound ? e.jitter : remote?.jitter) ?? 0) * 1000,
    freezes: e.freezeCount ?? 0,
    audioLevel: e.audioLevel ?? 0,
    audioEnergy: e.totalAudioEnergy ?? 0,
  };
}

/**
 * The encodings that a page sends of a picture count as one track, as large as the largest that flows.
 * @param {TrackStatistics[]} tracks
 */
function oneOfEach(tracks) {
  /** @type {Map<string, TrackStatistics>} */
  const merged = new Map();
  for (const track of tracks) {
    const key = `${track.direction} ${track.mid}`;
    const other = merged.get(key);
    merged.set(key, other ? together(other, track) : track);
  }
  return [...merged.values()];
}

/**
 * @param {TrackStatistics} a
 * @param {TrackStatistics} b
 */
function together(a, b) {
  const larger = (b.fps > 0 ? b.height : 0) > (a.fps > 0 ? a.height : 0) ? b : a;
  const [bytes, packets, packetsLost] = [a.bytes + b.bytes, a.packets + b.packets, a.packetsLost + b.packetsLost];
  return { ...larger, bytes, packets, packetsLost, frames: Math.max(a.frames, b.frames) };
}

/**
 * @param {any[]} entries
 * @param {Map<string, any>} byId
 */
function selectedPair(entries, byId) {
  const transport = entries.find((e) => e.type === "transport" && e.selectedCandidatePairId);
  if (transport) return byId.get(transport.selectedCandidatePairId);
  // Firefox has no transport entries and marks the pair itself.
  return entries.find((e) => e.type === "candidate-pair" && e.selected);
}

/**
 * What came over the transport so far, of whatever kind: media, its feedback, and signs of life.
 * @param {any[]} entries
 * @returns {{count: number, atMs: number} | null} null when the report does not say
 */
export function arrivedIn(entries) {
  const transports = entries.filter((e) => e.type === "transport" && typeof e.packetsReceived === "number");
  if (transports.length > 0) return summed(transports, "packetsReceived");
  // Firefox has no transport entries.
  const pairs = entries.filter((e) => e.type === "candidate-pair" && typeof e.bytesReceived === "number");
  return pairs.length > 0 ? summed(pairs, "bytesReceived") : null;
}

/**
 * @param {any[]} entries
 * @param {"packetsReceived" | "bytesReceived"} key
 */
function summed(entries, key) {
  const count = entries.reduce((sum, e) => sum + e[key], 0);
  return { count, atMs: entries.reduce((latest, e) => Math.max(latest, e.timestamp), 0) };
}
