// Viewers in Chromium that report on packets by SSRC and sequence number (RFC 8888), which a field trial has them offer.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { picturesMove, tile } from "./harness/observe.mjs";
import { decodes, player } from "./harness/player.mjs";
import { Scene } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

const TRIAL = "--force-fieldtrials=WebRTC-RFC8888CongestionControlFeedback/Enabled,offer:true/";
const NUMBERS = "transport-wide-cc";
/** Chromium says it for each payload type, and shows an answer that says it for all of them in the same way. */
const REPORTS = /a=rtcp-fb:(\*|\d+) ack ccfb\r\n/;

/** @typedef {{offer: string, answer: string}} Descriptions */
/** @typedef {{basis: string, estimate_bps: number, acknowledged_bps: number | null}} Line */

describe("feedback of RFC 8888", () => {
  /** @type {Scene} */
  let scene;
  before(async () => void (scene = await Scene.set({ browser: { args: [TRIAL] } })));
  after(() => scene?.end());

  test("a plain WHEP player and our page report by it, and their lines are estimated", async () => {
    const publisher = await scene.publisher("reports", "cam");
    const plain = await player(scene, "reports/cam");
    const page = await scene.viewer("reports");
    await picturesMove(page, `${tile("cam")} video`);
    await decodes(plain, 360);
    for (const viewer of [plain, page]) {
      const { offer, answer } = await described(viewer);
      assert.match(offer, REPORTS, "this Chromium does not know the trial");
      const lines = answer.split("\r\nm=").slice(1);
      assert.ok(lines.length > 0 && lines.every((line) => REPORTS.test(line)), answer);
      assert.ok(!answer.includes("transport-cc") && !answer.includes(NUMBERS), answer);
    }
    // What a publisher is answered with is what it was.
    assert.ok((await described(publisher)).answer.includes(NUMBERS));
    for (const id of await viewers()) {
      await until(`feedback of session ${id} is the basis of its estimate`, async () => {
        const line = await lineOf(id);
        // It begins with 300 kbit/s; how far the first probe brings it depends on the milliseconds that it is told in.
        return line?.basis === "feedback" && line.estimate_bps >= 500_000 && (line.acknowledged_bps ?? 0) >= 100_000;
      });
    }
    const drops = await (await fetch(`${scene.server.admin}/metrics`)).text();
    const strange = drops.split("\n").filter((line) => /^chappe_worker_drops_total.*(feedback_|rtcp_malformed)/.test(line));
    assert.deepEqual(strange, [], "nothing that Chromium reports is strange");
    for (const one of [publisher, plain, page]) await one.context().close();
  });

  /**
   * @param {import("./harness/scene.mjs").Page} page
   * @returns {Promise<Descriptions>} of its newest connection
   */
  async function described(page) {
    const all = await page.evaluate(() => /** @type {any} */ (window).chappeDescriptions());
    return all.at(-1);
  }

  /** @returns {Promise<string[]>} */
  async function viewers() {
    // A page that lost its session for a moment, on a busy machine, has two until the old one is ended.
    return until("two watch", async () => {
      const sessions = /** @type {{id: string, kind: string}[]} */ (await (await fetch(`${scene.server.admin}/api/v1/sessions`)).json());
      const watching = sessions.filter(({ kind }) => kind === "whep" || kind === "page_watch").map(({ id }) => id);
      return watching.length === 2 ? watching : null;
    });
  }

  /**
   * @param {string} id
   * @returns {Promise<Line | undefined>}
   */
  async function lineOf(id) {
    return (await (await fetch(`${scene.server.admin}/api/v1/sessions/${id}`)).json()).stats?.line;
  }
});
