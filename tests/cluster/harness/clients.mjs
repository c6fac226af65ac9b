// Owns synthetic clients: one publisher and many viewers on real sockets. Never judges what they report.

import { until } from "../../browser/harness/until.mjs";
import { Talk, tool } from "./talk.mjs";

/**
 * @typedef {object} Viewer since the counting began
 * @property {number} viewer
 * @property {string} server
 * @property {number} packets
 * @property {number} missing
 * @property {number} late packets that took more than 250 ms
 * @property {number} longest_gap_ms
 * @property {number | null} latency_p50_ms
 * @property {number | null} latency_p99_ms
 * @property {number} rejoins
 * @property {number} overflowed datagrams that this machine threw away because the client was not scheduled
 * @property {string | null} last_error
 */
/** @typedef {{publisher: {sent: number, rejoins: number, last_error: string | null} | null, viewers: Viewer[]}} Report */
/**
 * @typedef {object} Plan
 * @property {string[]} [whip] servers to publish at; none: somebody else does
 * @property {string[]} whep
 * @property {string} room
 * @property {string} [stream]
 * @property {number} [viewers]
 * @property {number} [packetsPerFrame]
 * @property {string} [token]
 */

/** No test takes longer; clients whose test has died end by themselves. */
const SECONDS_MAX = 1200;

export class Clients {
  #talk;

  /** @param {Talk} talk */
  constructor(talk) {
    this.#talk = talk;
  }

  /**
   * Comes back when every viewer has media.
   * @param {Plan} plan
   */
  static async start({ whip = [], whep, room, stream = "cam", viewers = 10, packetsPerFrame = 3, token }) {
    const args = ["--whep", whep.join(","), "--room", room, "--stream", stream, "--viewers", String(viewers)];
    args.push("--seconds", String(SECONDS_MAX), "--packets-per-frame", String(packetsPerFrame));
    if (whip.length > 0) args.push("--whip", whip.join(","));
    if (token) args.push("--token", token);
    const talk = new Talk(tool("chappe-clients", "CHAPPE_CLIENTS"), args);
    try {
      await talk.hear("ready");
    } catch (error) {
      await talk.end();
      throw error;
    }
    return new Clients(talk);
  }

  /** Starts counting anew. */
  begin() {
    this.#talk.say("begin");
  }

  /** @returns {Promise<Report>} */
  report() {
    const heard = this.#talk.hear("report");
    this.#talk.say("report");
    return heard;
  }

  /** Everybody says goodbye, so that no session is left to expire. */
  async end() {
    this.#talk.say("stop");
    await this.#talk.ended(30_000);
  }
}

/**
 * Until what was published by now has come to all viewers, or is known to be missing, but for a few packets each: they do not
 * begin to count at the same moment.
 * @param {Clients} clients whose publisher and viewers both count
 * @param {number} few
 */
export async function allCame(clients, few) {
  const sent = (await clients.report()).publisher?.sent ?? 0;
  await until(`${sent} packets, but for ${few}, are with each viewer`, async () => {
    const report = await clients.report();
    const { packets, missing } = totals(report);
    return packets + missing >= report.viewers.length * (sent - few);
  });
}

/** @param {Report} report */
export function totals({ viewers }) {
  const sum = (/** @type {(viewer: Viewer) => number} */ of) => viewers.reduce((all, viewer) => all + of(viewer), 0);
  return {
    packets: sum((viewer) => viewer.packets),
    missing: sum((viewer) => viewer.missing),
    late: sum((viewer) => viewer.late),
    rejoins: sum((viewer) => viewer.rejoins),
    overflowed: sum((viewer) => viewer.overflowed),
    longestGapMs: Math.max(...viewers.map((viewer) => viewer.longest_gap_ms)),
    latencyP50Ms: quantile(viewers.map((viewer) => viewer.latency_p50_ms ?? Infinity), 0.5),
    latencyP99Ms: Math.max(...viewers.map((viewer) => viewer.latency_p99_ms ?? Infinity)),
  };
}

/**
 * @param {number[]} values
 * @param {number} share 0 to 1
 */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

/**
 * What went wrong for some client, in its own words.
 * @param {Report} report
 */
export function trouble({ publisher, viewers }) {
  return [publisher, ...viewers].find((one) => one?.last_error)?.last_error ?? null;
}
