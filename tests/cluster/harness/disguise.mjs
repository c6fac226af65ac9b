// Owns a way to NATS on which a node seems to be of another version than it is: what it says of itself is changed, and
// in the same way what others say of themselves, so that each takes the other for it. Never changes anything else.

import { connect, createServer } from "node:net";
import { Transform } from "node:stream";

import { CLIENT_ADDRESS } from "./fabric.mjs";

export class Disguise {
  url;
  /** That both sides seem to have. None: theirs. */
  /** @type {string | null} */
  version = null;
  /** Nobody gets through who comes now. */
  isShut = false;
  #server;
  /** @type {Set<import("node:net").Socket>} */
  #sockets = new Set();

  /**
   * @param {import("node:net").Server} server
   * @param {string} url
   */
  constructor(server, url) {
    this.#server = server;
    this.url = url;
  }

  /**
   * @param {import("./nats.mjs").Nats} nats
   * @param {string} real the version that the program has
   */
  static async start(nats, real) {
    const server = createServer();
    await new Promise((done) => server.listen(0, CLIENT_ADDRESS, () => done(undefined)));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const disguise = new Disguise(server, `nats://${CLIENT_ADDRESS}:${address.port}`);
    const { hostname, port } = new URL(nats.url);
    server.on("connection", (node) => {
      if (disguise.isShut) return void node.destroy();
      const there = connect({ host: hostname, port: Number(port) });
      for (const [from, to] of /** @type {const} */ ([[node, there], [there, node]])) {
        disguise.#sockets.add(from);
        from.on("error", () => to.destroy());
        from.on("close", () => to.destroy());
        from.pipe(disguise.#changing(real)).pipe(to);
      }
    });
    return disguise;
  }

  end() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  /** @param {string} real */
  #changing(real) {
    const told = `"version":"${real}"`;
    const disguise = this;
    let held = Buffer.alloc(0);
    return new Transform({
      transform(data, _, done) {
        let all = Buffer.concat([held, data]);
        // NATS says beforehand how long a message is.
        if (disguise.version?.length === real.length) {
          all = Buffer.from(all.toString("latin1").replaceAll(told, `"version":"${disguise.version}"`), "latin1");
        }
        const kept = beginning(all, told);
        held = all.subarray(all.length - kept);
        done(null, all.subarray(0, all.length - kept));
      },
    });
  }
}

/**
 * With how many bytes of a text these end: the rest of it may follow. A message of NATS ends otherwise.
 * @param {Buffer} bytes
 * @param {string} text
 */
function beginning(bytes, text) {
  const end = bytes.subarray(-text.length + 1).toString("latin1");
  for (let length = end.length; length > 0; length--) if (text.startsWith(end.slice(-length))) return length;
  return 0;
}

/**
 * One that is so many minor versions away, and as long when written.
 * @param {string} real
 * @param {number} minors
 */
export function versionAway(real, minors) {
  const [major, minor, ...rest] = real.split(".");
  const found = [Number(minor) + minors, Number(minor) - minors].find((other) => other >= 0 && String(other).length === minor?.length);
  return [major, found, ...rest].join(".");
}
