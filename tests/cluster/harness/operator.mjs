// Owns the operator of a test: the commands of the real `chappe`, given to a node. Never judges what they print.

import { execFile } from "node:child_process";

import { binary } from "../../browser/harness/server.mjs";

/** @typedef {import("./node.mjs").ClusterNode} ClusterNode */

/**
 * Gives a command to a node, and comes back when it has ended.
 * @param {ClusterNode} node
 * @param {string[]} args
 * @returns {Promise<string>} what it printed
 */
export function operate(node, ...args) {
  return command([...args, "--admin", node.admin]);
}

/**
 * One that fails is an error that says what it printed.
 * @param {string[]} args
 * @returns {Promise<string>} what it printed
 */
export function command(args) {
  const env = { ...process.env, NO_COLOR: "1" };
  return new Promise((done, fail) => {
    execFile(binary(), args, { env, timeout: WITHIN_MS }, (error, stdout, stderr) => {
      if (error) fail(new Error(`chappe ${args.join(" ")} ended with ${error.code}: ${stdout}${stderr}`));
      else done(stdout);
    });
  });
}

/** Longer than any deadline that a test gives, and what a node needs after it. */
const WITHIN_MS = 60_000;
