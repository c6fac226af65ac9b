// Pages, WHIP and WHEP behind a real nginx that shows the server below a path and nothing beside it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launch } from "./harness/browser.mjs";
import { showBelow } from "./harness/below.mjs";
import { picturesMove, tile } from "./harness/observe.mjs";
import { Scene } from "./harness/scene.mjs";
import { Server } from "./harness/server.mjs";
import { until } from "./harness/until.mjs";

const PREFIX = "/site/live";

/** @type {{name: string, strips: boolean, args: string[]}[]} */
const WAYS = [
  { name: "a proxy that takes the path off and says so", strips: true, args: [] },
  { name: "a proxy that passes the path on, and --base-path", strips: false, args: ["--base-path", `${PREFIX}/`] },
];

for (const { name, strips, args } of WAYS) {
  describe(name, () => {
    /** @type {Scene} */
    let scene;
    /** @type {Awaited<ReturnType<typeof showBelow>>} */
    let below;
    before(async () => {
      const server = await Server.start({ args });
      below = await showBelow({ url: server.url, prefix: PREFIX, strips });
      server.url = below.url;
      scene = new Scene({ server, browser: await launch() });
    });
    after(async () => {
      await scene?.end();
      await below?.end();
    });

    test("pages publish, watch and link to each other, and ask for nothing outside of it", async () => {
      /** @type {string[]} */
      const outside = [];
      const watched = (/** @type {import("playwright-core").Page} */ page) =>
        page.on("response", (response) => {
          if (response.status() >= 400 || !new URL(response.url()).pathname.startsWith(`${PREFIX}/`)) outside.push(`${response.status()} ${response.url()}`);
        });
      const start = await scene.page("/");
      watched(start);
      await start.reload();
      const publisher = await scene.publisher("below", "cam", "vp8", { listed: true });
      assert.equal(await publisher.inputValue("#link"), `${below.url}/watch/below/cam`);
      await start.click(`.rooms a[href="${PREFIX}/watch/below"]`);
      await picturesMove(start, `${tile("cam")} video`);
      await start.click("a.brand");
      await start.waitForURL(`${below.url}/`);
      await start.fill("#room", "other");
      await start.click("button[value=watch]");
      await start.waitForURL(`${below.url}/watch/other`);
      await start.reload();
      assert.deepEqual(outside, []);
      await publisher.context().close();
      await until("it is over", async () => (await (await fetch(`${below.url}/api/rooms`)).json()).length === 0);
      await start.context().close();
    });

    test("the URL of a WHIP or WHEP session leads back to it", async () => {
      const page = await scene.page("/");
      const offers = await page.evaluate(async () => {
        const offer = async (/** @type {RTCRtpTransceiverDirection} */ direction) => {
          const pc = new RTCPeerConnection();
          pc.addTransceiver("video", { direction });
          const { sdp } = await pc.createOffer();
          return sdp ?? "";
        };
        return { whip: await offer("sendonly"), whep: await offer("recvonly") };
      });
      for (const [kind, body] of Object.entries(offers)) {
        const headers = { "content-type": "application/sdp" };
        const made = await fetch(`${below.url}/${kind}/plain/cam?wait=1`, { method: "POST", headers, body });
        assert.equal(made.status, 201, await made.text());
        const location = made.headers.get("location") ?? "";
        assert.ok(location.startsWith(`${PREFIX}/session/`), location);
        const session = new URL(location, below.url);
        assert.equal((await fetch(session, { method: "OPTIONS" })).status, 204);
        const stale = await fetch(session, { method: "PATCH", headers: { "content-type": "application/trickle-ice-sdpfrag", "if-match": '"no"' }, body: "a=end-of-candidates\r\n" });
        assert.equal(stale.status, 412, await stale.text());
        assert.equal((await fetch(session, { method: "DELETE" })).status, 200);
      }
      await page.context().close();
    });
  });
}
