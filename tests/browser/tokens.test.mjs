// Pages of a server that wants tokens: in by a link, out when it is over, and told why.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { clean } from "./harness/axe.mjs";
import { picturesMove, tile } from "./harness/observe.mjs";
import { Scene, goLive, join } from "./harness/scene.mjs";
import { binary } from "./harness/server.mjs";
import { GIVEN_UP_AFTER_MS, until } from "./harness/until.mjs";

describe("pages of a server that wants tokens", () => {
  /** @type {Scene} */
  let scene;
  let folder = "";
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "chappe-tokens-"));
    const keys = path.join(folder, "keys");
    execFileSync(binary(), ["keys", "add", "--keys", keys]);
    scene = await Scene.set({ server: { args: ["--auth", "jwt", "--keys", keys] } });
  });
  after(async () => {
    await scene?.end();
    await rm(folder, { recursive: true, force: true });
  });

  /** @param {string[]} args */
  function mint(...args) {
    return execFileSync(binary(), ["token", "--keys", path.join(folder, "keys"), "--room", "demo", ...args], { encoding: "utf8" }).trim();
  }

  test("a link lets in, is not left in the address, and ends what it began when it is over", async () => {
    const publisher = await scene.page(`/publish?room=demo&stream=cam&codec=vp8&quality=360#token=${mint("--publish")}`);
    await goLive(publisher);
    assert.doesNotMatch(publisher.url(), /token/);
    const began = performance.now();
    const lasts = await scene.page(`/watch/demo#token=${mint("--watch")}`);
    await picturesMove(lasts, `${tile("cam")} video`);
    // Long enough for the same on this machine, as busy as it is.
    const lifeS = Math.ceil(10 + (4 * (performance.now() - began)) / 1000);
    const ends = await scene.page(`/watch/demo#token=${mint("--watch", "--expires", `${lifeS}s`)}`);
    await picturesMove(ends, `${tile("cam")} video`);
    const viewers = async () => (await sessions()).filter(({ kind }) => kind === "page_watch").length;
    await until("both watch", async () => (await viewers()) === 2);
    await until("it is said that the link has expired", () => ends.getByText("Your link has expired.").first().isVisible(), { withinMs: GIVEN_UP_AFTER_MS + 1000 * lifeS });
    await until("the session has ended", async () => (await viewers()) === 1);
    await clean(ends, "watch, the link has expired");
    await picturesMove(lasts, `${tile("cam")} video`);
  });

  test("without a link a page says so", async () => {
    const without = await scene.page("/watch/demo");
    await until("it is said", () => without.getByText("You may not be here without a token.").first().isVisible());
  });

  test("who may only watch is told so, on the publish page and in a meeting, and watches", async () => {
    const publish = await scene.page(`/publish?room=demo&stream=mine&quality=360#token=${mint("--watch")}`);
    await publish.click("#go");
    await until("it is said", () => publish.getByText("You may not publish here.").isVisible());
    assert.ok(await publish.locator("#live-badge").isHidden());
    await clean(publish, "publish, not allowed");
    const meeting = await join(await scene.page(`/room/demo?name=Eve#token=${mint("--watch")}`));
    await until("it is said", () => meeting.getByText("You may only watch here.").isVisible());
    assert.doesNotMatch(await meeting.title(), /LIVE/);
    await picturesMove(meeting, `${tile("cam")} video`);
    await clean(meeting, "meeting, not allowed");
    for (const page of [publish, meeting]) await page.context().close();
  });

  /** @returns {Promise<{kind: string, stream?: string}[]>} */
  async function sessions() {
    return (await fetch(`${scene.server.admin}/api/v1/sessions`)).json();
  }
});
