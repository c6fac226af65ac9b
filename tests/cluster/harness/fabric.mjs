// Owns the network of a test: a bridge in the namespace that the test runs in, and namespaces plugged into it.
// Never touches the machine's own network: it refuses to run outside of a namespace made for it.

import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";

/** @typedef {{name: string, address: string, port: string}} Plug one machine of the test */

const NETWORK = "10.217.90";
const BRIDGE = "br0";
/** Locally administered (IEEE 802). */
const BRIDGE_HARDWARE = "02:00:00:00:00:01";
/** States of a bridge's port. */
const DISABLED = 0;
const FORWARDING = 3;

/** Where browsers and synthetic clients are. */
export const CLIENT_ADDRESS = `${NETWORK}.1`;
const OTHER_CLIENT_HOST = 4;
export const NATS_HOST = 2;
export const BALANCER_HOST = 3;
/** Nodes are at this number and above. */
export const FIRST_NODE_HOST = 11;

/** @param {number} host last number of the address */
export function addressOf(host) {
  return `${NETWORK}.${host}`;
}

/** @param {string} command */
export function run(command) {
  const [program = "", ...args] = command.split(" ");
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

export class Fabric {
  #prefix;
  /** @type {Plug[]} */
  #plugs = [];

  constructor() {
    const netns = process.env["CHAPPE_CLUSTER_NETNS"];
    if (!netns) throw new Error("run this with scripts/run-cluster-tests.sh, which makes a network namespace for it");
    this.#prefix = netns;
    // Without IPv6: its addresses come some seconds after a cable is plugged, and Chromium gives up what it loads then.
    const switches = ["all", "default"].map((scope) => `/proc/sys/net/ipv6/conf/${scope}/disable_ipv6`);
    for (const file of switches.filter(existsSync)) writeFileSync(file, "1");
    // With a hardware address of its own: it would take the lowest of its ports, and so another one with each node that
    // joins, whose neighbours then send for a moment to an address that nobody has.
    run(`ip link add ${BRIDGE} address ${BRIDGE_HARDWARE} type bridge`);
    run(`ip addr add ${CLIENT_ADDRESS}/24 dev ${BRIDGE}`);
    run(`ip link set ${BRIDGE} up`);
  }

  /** One more address where clients are, for those that a server is to tell apart. */
  addClientAddress() {
    const address = addressOf(OTHER_CLIENT_HOST);
    run(`ip addr add ${address}/24 dev ${BRIDGE}`);
    return address;
  }

  /**
   * A namespace with one cable to the bridge.
   * @param {number} host last number of its address
   * @returns {Plug}
   */
  plug(host) {
    const plug = { name: `${this.#prefix}-${host}`, address: addressOf(host), port: `port${host}` };
    run(`ip netns add ${plug.name}`);
    this.#plugs.push(plug);
    run(`ip link add ${plug.port} type veth peer name eth0 netns ${plug.name}`);
    run(`ip link set ${plug.port} master ${BRIDGE} up`);
    run(`ip -n ${plug.name} addr add ${plug.address}/24 dev eth0`);
    for (const link of ["lo", "eth0"]) run(`ip -n ${plug.name} link set ${link} up`);
    return plug;
  }

  /**
   * Takes the cable out at the far end: what is sent vanishes both ways, and nobody is told. A port that only leaves
   * the bridge would hand what the machine sends to the namespace of the test, where the clients are.
   * @param {Plug} plug
   */
  cut(plug) {
    run(`bridge link set dev ${plug.port} state ${DISABLED}`);
  }

  /** @param {Plug} plug */
  heal(plug) {
    run(`bridge link set dev ${plug.port} state ${FORWARDING}`);
  }

  /**
   * Lets nothing through between each of some and each of others, and all else as before.
   * @param {Plug[]} some
   * @param {Plug[]} others
   */
  part(some, others) {
    for (const [here, there] of [[some, others], [others, some]]) {
      for (const plug of here ?? []) {
        for (const { address } of there ?? []) run(`ip netns exec ${plug.name} iptables -A INPUT -s ${address} -j DROP`);
      }
    }
  }

  /** Ends every {@link part}. */
  join() {
    for (const plug of this.#plugs) run(`ip netns exec ${plug.name} iptables -F INPUT`);
  }

  remove() {
    // A namespace goes some time after it is deleted; the next test's cables have the same names.
    for (const { port } of this.#plugs) run(`ip link del ${port}`);
    for (const { name } of this.#plugs) run(`ip netns del ${name}`);
    run(`ip link del ${BRIDGE}`);
    this.#plugs = [];
  }
}
