// The certificate of a page's connections, with a browser and a storage that the test plays.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { PageCertificate, pageCertificate } from "../client/media/certificate.js";
import { Peer } from "../client/media/peer.js";
import { Session } from "../client/session.js";
import { advance, install, settle } from "./clock.mjs";

const HOUR_MS = 3_600_000;
const WAIT_MS_MAX = 100;

/** @typedef {{name: string, expires: number}} Certificate */

/** @type {FakeStorage} */
let storage;
let made = 0;

beforeEach(() => {
  install();
  made = 0;
  storage = new FakeStorage();
  Object.assign(globalThis, { indexedDB: storage, RTCPeerConnection: FakeConnection });
});

class FakeConnection {
  /** @param {{certificates?: Certificate[]}} configuration */
  constructor({ certificates = [] }) {
    if (certificates.some(({ name }) => name === "refused")) throw new Error("InvalidAccessError");
    this.certificates = certificates;
  }
  /** @param {{expires: number}} key */
  static async generateCertificate({ expires }) {
    made += 1;
    return { name: `made ${made}`, expires: Date.now() + expires };
  }
}

/** One place of one database. */
class FakeStorage {
  answers = true;
  takes = true;
  /** @type {Certificate | undefined} */
  kept;
  opened = 0;
  closed = 0;
  /** @type {(() => void)[]} answers that are still to come */
  #waiting = [];
  open() {
    this.opened += 1;
    return this.#request(() => this);
  }
  close() {
    this.closed += 1;
  }
  transaction() {
    return { objectStore: () => this };
  }
  get() {
    return this.#request(() => this.kept);
  }
  /** @param {Certificate} certificate */
  put(certificate) {
    if (!this.takes) throw new Error("DataCloneError");
    return this.#request(() => void (this.kept = certificate));
  }
  /** @param {() => unknown} result */
  #request(result) {
    /** @type {{result?: unknown, onsuccess: () => void}} */
    const request = { onsuccess: () => {} };
    const answer = () => ((request.result = result()), request.onsuccess());
    if (this.answers) queueMicrotask(answer);
    else this.#waiting.push(answer);
    return request;
  }
  /** All that it was asked before, and from now on at once. */
  async answer() {
    this.answers = true;
    for (const answer of this.#waiting.splice(0)) answer();
    await settle();
  }
}

/** @param {PageCertificate} certificate */
const namesOf = (certificate) => certificate.certificates.map((one) => /** @type {any} */ (one).name);

/** What a page that is loaded now shows. */
async function load() {
  const certificate = new PageCertificate();
  certificate.prepare();
  await certificate.ready();
  return certificate;
}

/** The same, when the storage does not answer in time. */
async function loadWithLateStorage() {
  const certificate = new PageCertificate();
  certificate.prepare();
  const ready = certificate.ready();
  advance(WAIT_MS_MAX);
  await ready;
  return certificate;
}

test("a page shows the certificate that the one before has kept", async () => {
  assert.deepEqual([namesOf(await load()), namesOf(await load()), made], [["made 1"], ["made 1"], 1]);
  assert.ok((storage.kept?.expires ?? Infinity) <= Date.now() + 24 * HOUR_MS, "it is over within a day");
  assert.deepEqual([storage.opened, storage.closed], [2, 2]);
});

test("one that is over, or soon will be, is replaced, also in a page that stays", async (t) => {
  storage.kept = { name: "old", expires: Date.now() + HOUR_MS / 2 };
  const certificate = await load();
  assert.deepEqual([namesOf(certificate), storage.kept?.name], [["made 1"], "made 1"]);
  const now = Date.now();
  t.mock.method(Date, "now", () => now + 24 * HOUR_MS);
  assert.deepEqual(namesOf(certificate), []);
  await certificate.ready();
  assert.deepEqual([namesOf(certificate), storage.kept?.name], [["made 2"], "made 2"]);
});

test("of pages that make one at the same moment each shows that which was kept first", async (t) => {
  const expires = Date.now() + 24 * HOUR_MS;
  t.mock.method(FakeConnection, "generateCertificate", async () => {
    storage.kept = { name: "of another page", expires };
    return { name: "own", expires };
  });
  assert.deepEqual([namesOf(await load()), storage.kept?.name], [["of another page"], "of another page"]);
});

test("a storage that never answers is waited for once, for a tenth of a second", async () => {
  storage.answers = false;
  /** @type {string[]} */
  const offers = [];
  const certificate = new PageCertificate();
  const session = () => new Session({ negotiate: async (kind) => (offers.push(kind), "a"), ready: () => certificate.ready() });
  certificate.prepare();
  session().dispatch({ type: "start" });
  await settle();
  advance(WAIT_MS_MAX - 1);
  await settle();
  assert.deepEqual(offers, []);
  advance(1);
  await settle();
  assert.deepEqual([offers, namesOf(certificate)], [["fresh"], ["made 1"]]);
  session().dispatch({ type: "start" });
  await settle();
  assert.deepEqual([offers, namesOf(certificate), made], [["fresh", "fresh"], ["made 1"], 1]);
});

test("what is shown because the storage is late is what the next page shows, if the storage has none", async () => {
  storage.answers = false;
  const certificate = await loadWithLateStorage();
  assert.deepEqual(namesOf(certificate), ["made 1"]);
  await storage.answer();
  assert.deepEqual([namesOf(certificate), namesOf(await load()), made], [["made 1"], ["made 1"], 1]);
});

test("a storage that is late and has one is believed from the next connection on", async () => {
  storage.kept = { name: "kept", expires: Date.now() + 24 * HOUR_MS };
  storage.answers = false;
  const certificate = await loadWithLateStorage();
  assert.deepEqual(namesOf(certificate), ["made 1"]);
  await storage.answer();
  assert.deepEqual([namesOf(certificate), storage.kept?.name], [["kept"], "kept"]);
});

test("a session that is ended while it waits makes no offer", async () => {
  storage.answers = false;
  const certificate = new PageCertificate();
  let offers = 0;
  const session = new Session({ negotiate: async () => ((offers += 1), "a"), ready: () => certificate.ready() });
  session.dispatch({ type: "start" });
  await settle();
  session.dispatch({ type: "stop" });
  advance(WAIT_MS_MAX);
  await settle();
  assert.equal(offers, 0);
});

test("a browser that keeps no certificates, or has no storage, shows one for as long as its page is there", async () => {
  storage.takes = false;
  assert.deepEqual(namesOf(await load()), ["made 1"]);
  Object.assign(globalThis, { indexedDB: undefined });
  assert.deepEqual(namesOf(await load()), ["made 2"]);
});

test("one that the browser refuses is replaced, and the connection goes on without", async () => {
  storage.kept = { name: "refused", expires: Date.now() + 24 * HOUR_MS };
  const shown = () => /** @type {any} */ (new Peer([], () => {}).pc).certificates.map((/** @type {Certificate} */ { name }) => name);
  await pageCertificate.ready();
  assert.deepEqual(namesOf(pageCertificate), ["refused"]);
  assert.deepEqual(shown(), []);
  await pageCertificate.ready();
  assert.deepEqual([shown(), storage.kept?.name], [["made 1"], "made 1"]);
});
