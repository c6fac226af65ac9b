// Owns two network namespaces joined by a cable, a server's and a browser's. Never touches the machine's own network.

import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

/** @param {string} command */
function run(command) {
  const [program = "", ...args] = command.split(" ");
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

export class Network {
  serverAddress = "10.217.84.1";
  browserAddress = "10.217.84.2";
  server;
  browser;
  /** A program that starts Chromium on the browser's side. */
  chromium;
  /** One that starts it on the server's side. */
  neighbour;
  #folder;

  /**
   * @param {string} tag
   * @param {string} folder
   */
  constructor(tag, folder) {
    this.server = `chappe-s${tag}`;
    this.browser = `chappe-b${tag}`;
    this.#folder = folder;
    this.chromium = path.join(folder, "chromium");
    this.neighbour = path.join(folder, "chromium-neighbour");
  }

  static async make() {
    const tag = String(process.pid);
    const network = new Network(tag, await mkdtemp(path.join(tmpdir(), "chappe-net-")));
    const real = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
    for (const [file, namespace] of [[network.chromium, network.browser], [network.neighbour, network.server]]) {
      await writeFile(file ?? "", `#!/bin/sh\nexec ip netns exec ${namespace} ${real} "$@"\n`);
      await chmod(file ?? "", 0o755);
    }
    const cable = [`cs${tag}`, `cb${tag}`];
    try {
      for (const name of [network.server, network.browser]) run(`ip netns add ${name}`);
      run(`ip link add ${cable[0]} netns ${network.server} type veth peer name ${cable[1]} netns ${network.browser}`);
      network.#bringUp(network.server, cable[0] ?? "", network.serverAddress);
      network.#bringUp(network.browser, cable[1] ?? "", network.browserAddress);
    } catch (error) {
      await network.remove();
      throw error;
    }
    return network;
  }

  /** Drops every UDP datagram that comes to the server. */
  blockUdp() {
    run(`ip netns exec ${this.server} iptables -A INPUT -p udp -j DROP`);
  }

  unblockUdp() {
    run(`ip netns exec ${this.server} iptables -F INPUT`);
  }

  async remove() {
    for (const name of [this.server, this.browser]) {
      try {
        run(`ip netns del ${name}`);
      } catch {
        // It was not made: then there is nothing to take away.
      }
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  /**
   * @param {string} namespace
   * @param {string} link
   * @param {string} address
   */
  #bringUp(namespace, link, address) {
    run(`ip -n ${namespace} addr add ${address}/24 dev ${link}`);
    run(`ip -n ${namespace} link set ${link} up`);
    run(`ip -n ${namespace} link set lo up`);
  }
}
