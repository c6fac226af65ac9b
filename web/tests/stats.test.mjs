// Reading statistics reports.

import assert from "node:assert/strict";
import { test } from "node:test";

import { summarize } from "../client/stats.js";
import { bitrateText, broadcastProblem, deviceProblem } from "../pages/words.js";

/**
 * @param {number} timestamp
 * @param {number} bytes
 */
function report(timestamp, bytes) {
  return [
    { id: "V", type: "inbound-rtp", kind: "video", mid: "1", timestamp, bytesReceived: bytes, codecId: "C", frameWidth: 640, frameHeight: 360, framesPerSecond: 30, framesDecoded: 9, packetsReceived: 5, packetsLost: 2, jitter: 0.004, freezeCount: 1 },
    { id: "C", type: "codec", timestamp, mimeType: "video/VP9" },
    { id: "T", type: "transport", timestamp, selectedCandidatePairId: "P" },
    { id: "P", type: "candidate-pair", timestamp, currentRoundTripTime: 0.0125, localCandidateId: "L" },
    { id: "L", type: "local-candidate", timestamp, protocol: "tcp" },
  ];
}

test("rates are over the time between two reports", () => {
  const first = summarize(report(1000, 10_000), null);
  assert.equal(first.bitrate, 0);
  const second = summarize(report(3000, 260_000), first);
  assert.equal(second.bitrate, 1_000_000);
});

test("codec, size, loss, transport and round trip are found", () => {
  const { roundTripMs, transport, tracks } = summarize(report(1, 1), null);
  assert.equal(roundTripMs, 12.5);
  assert.equal(transport, "tcp");
  const [video] = tracks;
  assert.deepEqual([video?.codec, video?.width, video?.height, video?.packetsLost, video?.freezes], ["VP9", 640, 360, 2, 1]);
});

test("encodings of one picture are one track", () => {
  const sent = (/** @type {string} */ id, /** @type {number} */ height, /** @type {number} */ bytes, /** @type {number} */ fps) => ({ id, type: "outbound-rtp", kind: "video", mid: "0", timestamp: bytes, bytesSent: bytes, frameHeight: height, framesPerSecond: fps });
  const { tracks } = summarize([sent("a", 180, 10, 30), sent("b", 360, 20, 30), sent("c", 720, 0, 0)], null);
  assert.deepEqual(tracks.map((t) => [t.height, t.bytes]), [[360, 30]]);
});

test("counters that start anew give no negative rate", () => {
  const before = summarize(report(1000, 500_000), null);
  assert.equal(summarize(report(2000, 100), before).bitrate, 0);
});

test("an empty report is an empty summary", () => {
  assert.deepEqual(summarize([], null), { atMs: 0, roundTripMs: null, transport: "", bitrate: 0, tracks: [] });
});

test("bitrates are written for people", () => {
  assert.equal(bitrateText(640_400), "640 kbit/s");
  assert.equal(bitrateText(2_460_000), "2.5 Mbit/s");
});

test("each refusal of a device or a name has words of its own", () => {
  const names = ["NotAllowedError", "NotFoundError", "NotReadableError", "OverconstrainedError", "insecure", "Else"];
  const titles = names.map((n) => deviceProblem(n, "camera").title);
  assert.equal(new Set(titles).size, names.length);
  assert.match(broadcastProblem({ code: "stream_exists", message: "" }, "anna").title, /anna/);
});
