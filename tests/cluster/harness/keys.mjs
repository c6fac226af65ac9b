// Owns API keys of a test in the store of a cluster, and tokens signed with them by the real `chappe token`. Never
// decides what a token permits.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { command, operate } from "./operator.mjs";

/** @typedef {import("./node.mjs").ClusterNode} ClusterNode */

export class StoredKey {
  id;
  #folder;

  /**
   * @param {string} id
   * @param {string} folder with the file of the key
   */
  constructor(id, folder) {
    this.id = id;
    this.#folder = folder;
  }

  /**
   * A new one, which is made at a node.
   * @param {ClusterNode} node
   */
  static async add(node) {
    const { id, secret } = JSON.parse(await operate(node, "keys", "add", "--json"));
    const key = new StoredKey(id, await mkdtemp(path.join(tmpdir(), "chappe-key-")));
    await writeFile(key.#file, `${id}: ${secret}\n`, { mode: 0o600 });
    return key;
  }

  /**
   * A token for the room `demo`.
   * @param {string[]} args what it permits, as flags of `chappe token`
   */
  async mint(...args) {
    return (await command(["token", "--keys", this.#file, "--room", "demo", ...args])).trim();
  }

  /**
   * At a node, which need not be the one at which it was made.
   * @param {ClusterNode} node
   */
  async revoke(node) {
    await operate(node, "keys", "revoke", this.id);
  }

  /** Takes the file away. */
  async end() {
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #file() {
    return path.join(this.#folder, "keys");
  }
}
