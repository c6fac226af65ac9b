// What `signaling/sdp` answers, before real browsers and without a worker: each answer passes setRemoteDescription, and what
// the browser has negotiated then is what the answer meant.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";

import { launch } from "./harness/browser.mjs";
import { endedWithTest } from "./harness/children.mjs";
import { launchFirefox } from "./harness/firefox.mjs";
import { pcmuFirst, publish, watch } from "./harness/negotiating.mjs";
import { binary } from "./harness/server.mjs";

const CODECS = ["video/VP8", "video/VP9", "video/AV1", "video/H264"];
// Debian's Firefox has no H264.
const BROWSERS = { Chromium: { start: launch, codecs: CODECS }, Firefox: { start: launchFirefox, codecs: CODECS.slice(0, 3) } };

for (const [name, { start, codecs }] of Object.entries(BROWSERS)) {
  describe(`${name} takes`, () => {
    /** @type {any} Pages of both have what is used of them here. */
    let browser;
    /** @type {ReturnType<typeof startAnswerer>} */
    let answerer;
    const server = createServer((_, response) => response.setHeader("content-type", "text/html").end("<!doctype html>"));
    before(async () => {
      answerer = startAnswerer();
      await new Promise((done) => server.listen(0, "127.0.0.1", () => done(undefined)));
      browser = await start();
    });
    after(async () => {
      await browser?.close();
      answerer?.end();
      server.close();
    });

    /**
     * @template Asked, Told
     * @param {(asked: Asked) => Promise<Told>} run in a page that can have its offers answered
     * @param {Asked} asked
     * @returns {Promise<Told>}
     */
    async function inPage(run, asked) {
      const page = await browser.newPage();
      await page.exposeFunction("answer", answerer.answer);
      const address = server.address();
      await page.goto(`http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/`);
      const told = await page.evaluate(run, asked);
      await page.close();
      return told;
    }

    for (const first of codecs) {
      test(`the answer to a publisher of ${first}, twice, and with a third track`, async () => {
        const rounds = await inPage(publish, { first });
        for (const round of rounds) {
          assert.equal(round.state, "stable");
          assert.ok(round.directions.split(",").every((direction) => direction === "sendonly"), round.directions);
          assert.equal(round.first, first);
          assert.equal(round.codecs, first.slice(6));
        }
        const [tracks, again, more] = rounds.map((round) => round.tracks);
        assert.equal(again, tracks, "track ids are stable");
        assert.ok(more?.startsWith(`${tracks},`));
      });

      test(`the answer to a viewer of ${first}, with more m-lines, and one less`, async () => {
        await inPage(publish, { first });
        const rounds = await inPage(watch, { waiting: false });
        for (const round of rounds) assert.equal(round.state, "stable");
        const [one, two, , four] = rounds;
        assert.equal(one?.first, first, "what is sent comes first");
        assert.equal(one?.directions, "recvonly,recvonly");
        assert.equal(one?.states, "live,live");
        assert.ok(two?.ssrcs.startsWith(`${one?.ssrcs},`), "SSRCs are stable");
        assert.equal(four?.directions.split(",").length, 4);
      });
    }

    for (const use of ["publish", "watch"]) {
      for (const bundlePolicy of ["max-bundle", "balanced", "max-compat"]) {
        test(`the answer to who would ${use} with audio in PCMU before the picture, ${bundlePolicy}`, async () => {
          const rounds = await inPage(pcmuFirst, { use, bundlePolicy: /** @type {RTCBundlePolicy} */ (bundlePolicy) });
          for (const round of rounds) {
            assert.equal(round.state, "stable");
            assert.equal(round.video, use === "publish" ? "sendonly" : "recvonly");
            if (use === "publish") assert.notEqual(round.first, "AV1", "what most decode comes first");
          }
        });
      }
    }

    test("the answer to a viewer of what is not there yet", async () => {
      for (const round of await inPage(watch, { waiting: true })) assert.equal(round.state, "stable");
    });
  });
}

/** The example of the crate that answers on its standard output. */
function startAnswerer() {
  const program = path.join(path.dirname(binary()), "examples/answer_sdp");
  if (!existsSync(program)) throw new Error(`${program} is missing: cargo build --release --workspace --examples`);
  const child = endedWithTest(spawn(program, { stdio: ["pipe", "pipe", "inherit"] }));
  const replies = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  /** @param {object} request */
  async function answer(request) {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const reply = JSON.parse((await replies.next()).value);
    assert.equal(reply.error, undefined, reply.message);
    return reply;
  }
  return { answer, end: () => child.stdin.end() };
}
