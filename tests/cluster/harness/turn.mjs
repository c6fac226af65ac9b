// Owns what a node with a TURN server of its own is started with, and where its media ports are.

import { Cluster } from "./cluster.mjs";

/** @typedef {import("./node.mjs").ClusterNode} ClusterNode */

/** Of a node's TURN server. */
export const TURN_PORT = 3478;

/**
 * Options of a node with a TURN server and two workers, so that two media ports follow each other.
 * @param {string[]} [args] what else it is started with
 * @returns {import("./cluster.mjs").NodeOptions}
 */
export function turnOptions(args = []) {
  return { workers: 2, args: ["--turn", `0.0.0.0:${TURN_PORT}`, ...args] };
}

/** A cluster of one such node. */
export function startTurnNode() {
  return Cluster.start({ count: 1, options: turnOptions() });
}

/**
 * Of the first worker; the next port is that of the second.
 * @param {ClusterNode} node
 * @returns {Promise<number>}
 */
export async function mediaPortOf(node) {
  return (await node.workers())[0]?.media_port;
}
