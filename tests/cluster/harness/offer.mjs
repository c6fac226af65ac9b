// Owns the offers of a WHIP or WHEP client that never sends a packet, for tests of the HTTP side alone.

import { randomBytes } from "node:crypto";

import { answer } from "./http.mjs";

const FINGERPRINT = Array(32).fill("AB").join(":");

/**
 * One VP8 track.
 * @param {"sendonly" | "recvonly"} direction
 */
export function offer(direction) {
  const lines = [
    "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0",
    "m=video 9 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0",
    `a=ice-ufrag:${randomBytes(4).toString("hex")}`, `a=ice-pwd:${randomBytes(12).toString("hex")}`,
    `a=fingerprint:sha-256 ${FINGERPRINT}`, "a=setup:actpass", "a=mid:0", `a=${direction}`, "a=rtcp-mux",
    ...(direction === "sendonly" ? ["a=msid:- video", "a=ssrc:1 cname:x"] : []),
    "a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", "",
  ];
  return lines.join("\r\n");
}

/** What a client trickles: one candidate that nobody answers at. */
export function trickle(/** @type {string} */ sdp) {
  const named = (/** @type {string} */ name) => sdp.match(new RegExp(`a=${name}:.*`))?.[0].trim() ?? "";
  const candidate = "a=candidate:1 1 udp 2130706431 10.217.90.1 9 typ host";
  return [named("ice-ufrag"), named("ice-pwd"), "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:0", candidate, ""].join("\r\n");
}

/**
 * @param {{url: string}} place
 * @param {"whip" | "whep"} kind
 * @param {string} room
 * @param {string} stream and a query
 * @param {string} [body]
 * @param {string} [token]
 */
export async function post(place, kind, room, stream, body = offer(kind === "whip" ? "sendonly" : "recvonly"), token) {
  const headers = { "content-type": "application/sdp", ...bearer(token) };
  const made = await answer(`${place.url}/${kind}/${room}/${stream}`, { method: "POST", body, headers });
  return { ...made, path: made.headers.get("location") ?? "", etag: made.headers.get("etag") ?? "", offer: body };
}

/**
 * The header of a request that shows a token.
 * @param {string} [token]
 * @returns {Record<string, string>}
 */
export function bearer(token) {
  return token ? { authorization: `Bearer ${token}` } : {};
}
