// Owns a cluster under test: the network, NATS, the nodes, and their end whatever happens.

import { until } from "../../browser/harness/until.mjs";
import { FIRST_NODE_HOST, Fabric, NATS_HOST } from "./fabric.mjs";
import { Nats } from "./nats.mjs";
import { ClusterNode } from "./node.mjs";

/** @typedef {Partial<import("./node.mjs").Options>} NodeOptions */

export class Cluster {
  fabric = new Fabric();
  nats;
  /** @type {ClusterNode[]} */
  nodes = [];
  /** What else ends with the cluster, the last first. */
  /** @type {(() => Promise<unknown> | void)[]} */
  #also = [];
  #options;

  /** @param {NodeOptions} options of every node */
  constructor(options) {
    this.nats = new Nats(this.fabric.plug(NATS_HOST));
    this.#options = options;
  }

  /**
   * Nodes of a region each, so that a client's session is on the node that it asked, and streams cross nodes.
   * @param {{count?: number, options?: NodeOptions}} [shape]
   */
  static async start({ count = 3, options = {} } = {}) {
    const cluster = new Cluster(options);
    try {
      await cluster.nats.start();
      for (let number = 0; number < count; number++) cluster.make();
      await Promise.all(cluster.nodes.map((node) => node.start()));
      await cluster.knowsAll();
    } catch (error) {
      await cluster.end();
      throw error;
    }
    return cluster;
  }

  /**
   * A further node, not started yet.
   * @param {NodeOptions} [options]
   */
  make(options = {}) {
    const number = this.nodes.length;
    const plug = this.fabric.plug(FIRST_NODE_HOST + number);
    const node = new ClusterNode(`node-${number + 1}`, plug, { cluster: this.nats.url, ...this.#options, ...options });
    this.nodes.push(node);
    return node;
  }

  /** @param {number} number from 1, as the names say */
  node(number) {
    const node = this.nodes[number - 1];
    if (!node) throw new Error(`there is no node ${number}`);
    return node;
  }

  /** Those that run. */
  get living() {
    return this.nodes.filter((node) => node.running?.isRunning);
  }

  /** Waits until every living node knows exactly the living ones. */
  async knowsAll() {
    const names = this.living.map((node) => node.name).sort();
    for (const node of this.living) {
      await until(`${node.name} knows ${names.join(", ")}`, async () => {
        const known = (await node.list("nodes")).filter((entry) => entry.state !== "lost").map((entry) => entry.node);
        return JSON.stringify(known.sort()) === JSON.stringify(names);
      });
    }
  }

  /** @param {() => Promise<unknown> | void} end */
  alsoEnd(end) {
    this.#also.push(end);
  }

  async end() {
    for (const end of this.#also.splice(0).reverse()) await end();
    await Promise.all(this.nodes.map((node) => node.end()));
    await this.nats.end();
    this.fabric.remove();
  }
}
