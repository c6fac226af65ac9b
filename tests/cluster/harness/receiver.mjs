// Owns a receiver of webhooks, which checks who they are from, and a listener to the same as server-sent events. Keeps
// what they were told in the order in which it came.

import { createHmac } from "node:crypto";
import { createServer } from "node:http";

import { CLIENT_ADDRESS } from "./fabric.mjs";

/** @typedef {{id: string, type: string, data: any}} Told */

/** Beyond it a receiver takes a request for an old one that somebody sends again. */
const AGE_MAX_S = 300;

export class Receiver {
  /** @type {Told[]} */
  told = [];
  /** What was wrong with requests. */
  /** @type {string[]} */
  trouble = [];
  secret = Buffer.from("a secret of at least 24 bytes").toString("base64");
  #server = createServer((request, response) => {
    let body = "";
    request.on("data", (some) => (body += some));
    request.on("end", () => {
      this.#take(request.headers, body);
      response.writeHead(204).end();
    });
  });

  async start() {
    await new Promise((done) => this.#server.listen(0, CLIENT_ADDRESS, () => done(undefined)));
  }

  get url() {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("it does not listen");
    return `http://${CLIENT_ADDRESS}:${address.port}/hooks`;
  }

  end() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /**
   * @param {import("node:http").IncomingHttpHeaders} headers
   * @param {string} body
   */
  #take(headers, body) {
    const id = String(headers["webhook-id"]);
    const seconds = Number(headers["webhook-timestamp"]);
    const signed = createHmac("sha256", Buffer.from(this.secret, "base64")).update(`${id}.${seconds}.${body}`).digest("base64");
    if (!String(headers["webhook-signature"]).split(" ").includes(`v1,${signed}`)) this.trouble.push(`${id} is signed by somebody else`);
    if (Math.abs(Date.now() / 1000 - seconds) > AGE_MAX_S) this.trouble.push(`${id} is of ${seconds}`);
    const { type, data } = JSON.parse(body);
    this.told.push({ id, type, data });
  }
}

export class EventStream {
  /** @type {Told[]} */
  told = [];
  #stop = new AbortController();

  /**
   * From what happens when this is back on.
   * @param {string} admin
   */
  async open(admin) {
    const response = await fetch(`${admin}/api/v1/events`, { signal: this.#stop.signal });
    if (!response.ok || !response.body) throw new Error(`the events were answered ${response.status}`);
    this.#read(response.body).catch(() => {});
  }

  end() {
    this.#stop.abort();
  }

  /** @param {ReadableStream<Uint8Array>} body */
  async #read(body) {
    const decoder = new TextDecoder();
    let text = "";
    for await (const some of body) {
      const [last = "", ...whole] = (text + decoder.decode(some, { stream: true })).split("\n\n").reverse();
      text = last;
      for (const message of whole.reverse()) this.#take(message);
    }
  }

  /** @param {string} message */
  #take(message) {
    const field = (/** @type {string} */ name) => message.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? "";
    if (field("event")) this.told.push({ id: field("id"), type: field("event"), data: JSON.parse(field("data")).data });
  }
}
