// Tokens of an identity provider, whose public keys the node has from a file or over HTTP, at each door.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { bearer, offer } from "../cluster/harness/offer.mjs";
import { launch } from "./harness/browser.mjs";
import { ALGORITHMS, Issuer } from "./harness/issuer.mjs";
import { picturesMove, tile } from "./harness/observe.mjs";
import { Scene, goLive } from "./harness/scene.mjs";
import { Server } from "./harness/server.mjs";
import { until } from "./harness/until.mjs";

const NAME = "https://id.example";
const [provider, stranger] = [new Issuer(NAME), new Issuer(NAME)];

describe("tokens of an identity provider", () => {
  /** @type {import("playwright-core").Browser} */
  let browser;
  let folder = "";
  /** @type {{url: string, close: () => void}} */
  let told;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "chappe-issuers-"));
    await writeFile(path.join(folder, "jwks.json"), provider.jwks);
    told = await provider.tell();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    told?.close();
    await rm(folder, { recursive: true, force: true });
  });

  for (const [how, where] of /** @type {[string, () => string][]} */ ([["a file", () => path.join(folder, "jwks.json")], ["a URL", () => told.url]])) {
    test(`whose keys are at ${how} let in by WHIP, WHEP and WebSocket, and others do not`, async () => {
      const server = await Server.start({ args: ["--auth", "jwt", "--jwks", `${NAME}=${where()}`] });
      const scene = new Scene({ server, browser });
      try {
        // Over HTTP they come a moment after the node is ready.
        await until("the keys are read", async () => (await rooms(server, provider.token("EdDSA"))) === 200);
        const page = await scene.page("/");
        const at = (/** @type {string} */ token) => doors(server, page, token);
        for (const algorithm of ALGORITHMS) {
          assert.deepEqual(await at(provider.token(algorithm)), OPEN, algorithm);
          assert.deepEqual(await at(stranger.token(algorithm)), SHUT, `${algorithm} of a stranger's key`);
          assert.deepEqual(await at(provider.token(algorithm, { issuer: "https://other.example" })), SHUT, `${algorithm} of an issuer that is not named`);
          assert.deepEqual(await at(provider.token(algorithm, { named: other(algorithm) })), SHUT, `${algorithm} that says it is ${other(algorithm)}`);
          assert.deepEqual(await at(provider.token(algorithm, { named: "HS256" })), SHUT, `${algorithm} that says it is HS256`);
          assert.deepEqual(await at(provider.token(algorithm, { expiresInS: -1 })), OVER, `${algorithm} of yesterday`);
        }
        const publisher = await scene.page(`/publish?room=demo&stream=cam&codec=vp8&quality=360#token=${provider.token("EdDSA")}`);
        await goLive(publisher);
        const viewer = await scene.page(`/watch/demo#token=${provider.token("ES256")}`);
        await picturesMove(viewer, `${tile("cam")} video`);
        for (const one of [page, publisher, viewer]) await one.context().close();
      } finally {
        await server.stop();
      }
    });
  }
});

/** What each door answers: WHIP, WHEP, and the first message over a WebSocket. */
const OPEN = [201, 201, "welcome"];
const SHUT = [401, 401, "unauthorized"];
const OVER = [401, 401, "token_expired"];

/** @param {import("./harness/issuer.mjs").Algorithm} algorithm */
function other(algorithm) {
  return algorithm === "EdDSA" ? "ES256" : "EdDSA";
}

/**
 * @param {Server} server
 * @param {string} token
 */
async function rooms(server, token) {
  return (await fetch(`${server.url}/api/rooms`, { headers: bearer(token) })).status;
}

/**
 * Leaves at once where it was let in.
 * @param {Server} server
 * @param {import("playwright-core").Page} page
 * @param {string} token
 */
async function doors(server, page, token) {
  const posted = async (/** @type {string} */ where, /** @type {string} */ body) => {
    const made = await fetch(`${server.url}${where}`, { method: "POST", headers: { "content-type": "application/sdp", ...bearer(token) }, body });
    await made.text();
    const session = made.headers.get("location");
    if (session) assert.equal((await fetch(`${server.url}${session}`, { method: "DELETE", headers: bearer(token) })).status, 200);
    return made.status;
  };
  return [await posted("/whip/demo/probe", offer("sendonly")), await posted("/whep/demo/probe?wait=1", offer("recvonly")), await page.evaluate(hello, token)];
}

/**
 * Runs in the page: what the node says to a hello with this token.
 * @param {string} token
 * @returns {Promise<string>}
 */
function hello(token) {
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws`);
  return new Promise((done, fail) => {
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", id: 1, version: 1, room: "demo", token }));
    socket.onerror = () => fail(new Error("no connection"));
    socket.onmessage = ({ data }) => {
      const { type, error } = JSON.parse(data);
      done(type === "error" ? error : type);
      socket.close(1000);
    };
  });
}
