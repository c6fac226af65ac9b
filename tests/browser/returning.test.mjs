// By what a worker knows a client that comes back, and what it gives it then: our viewing page in Chromium.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { picturesMove, tile } from "./harness/observe.mjs";
import { decodes } from "./harness/player.mjs";
import { fingerprint, firstLines, holdUntilCertain, noteSizes } from "./harness/returning.mjs";
import { Scene, goLive } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("./harness/scene.mjs").Page} Page */

/** Not even on a busy machine does a line seem too narrow at the end of every visit. */
const RETURNS_MAX = 4;

describe("a viewer that comes back", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set()));
  after(() => scene?.end());

  test("begins with the picture that its line carried; it is known by the certificate that its browser keeps", async () => {
    const publisher = await scene.page("/publish?room=back&stream=cam&codec=vp8&quality=720");
    await goLive(publisher);
    const viewer = await comer(noteSizes);
    const visits = [await visit(viewer)];
    while (visits.length <= RETURNS_MAX && (visits.length < 2 || visits.at(-1)?.first !== 720)) {
      await leave(viewer, { room: "back", others: 0 });
      visits.push(await visit(viewer));
    }
    assert.equal(visits.at(-1)?.first, 720, JSON.stringify(visits));
    assert.equal(new Set(visits.map((visit) => visit.fingerprint)).size, 1, JSON.stringify(visits));
    const stranger = await comer(noteSizes);
    const { first } = await visit(stranger);
    assert.ok(first < 720, `a viewer that nobody knows begins with ${first} lines`);
    for (const page of [publisher, viewer, stranger]) await page.context().close();
  });

  test("shows another certificate in another browser, and the same in two tabs, whose pictures do not depend on each other", async () => {
    const publisher = await scene.publisher("tabs", "cam");
    const one = await comer();
    await watches(one, "tabs");
    const other = await one.context().newPage();
    await watches(other, "tabs");
    await moves(one);
    assert.equal(await fingerprint(one), await fingerprint(other));
    await leave(one, { room: "tabs", others: 1 });
    await moves(other);
    const stranger = await comer();
    await watches(stranger, "tabs");
    assert.notEqual(await fingerprint(stranger), await fingerprint(other));
    for (const page of [publisher, other, stranger]) await page.context().close();
  });

  test("watches also where the storage of its browser never answers", async () => {
    const publisher = await scene.publisher("silent", "cam");
    const viewer = await scene.page("/healthz");
    await viewer.addInitScript(() => (IDBFactory.prototype.open = () => /** @type {any} */ ({})));
    await watches(viewer, "silent");
    for (const page of [publisher, viewer]) await page.context().close();
  });

  /**
   * In a browser of its own, on another page of the server.
   * @param {() => void} [note] runs in its pages, too
   */
  async function comer(note) {
    const page = await scene.page("/healthz");
    for (const run of [holdUntilCertain, ...(note ? [note] : [])]) await page.context().addInitScript(run);
    return page;
  }

  /**
   * @param {Page} page
   * @param {string} room
   */
  async function watches(page, room) {
    await page.goto(`${scene.server.url}/watch/${room}`);
    await moves(page);
  }

  /**
   * Until the largest picture is there and its line is measured.
   * @param {Page} page
   */
  async function visit(page) {
    await page.goto(`${scene.server.url}/watch/back/cam`);
    const first = await until("a first picture", () => page.evaluate(firstLines));
    await decodes(page, 720);
    return { first, fingerprint: await fingerprint(page) };
  }

  /**
   * @param {Page} page
   * @param {{room: string, others: number}} stay `others`: pages that go on watching there
   */
  async function leave(page, { room, others }) {
    await page.goto(`${scene.server.url}/healthz`);
    await until(`${others} pages watch`, async () => {
      const sessions = /** @type {{kind: string, room: string}[]} */ (await (await fetch(`${scene.server.admin}/api/v1/sessions`)).json());
      return sessions.filter((session) => session.kind === "page_watch" && session.room === room).length === others;
    });
  }
});

/** @param {Page} page */
function moves(page) {
  return picturesMove(page, `${tile("cam")} video`);
}
