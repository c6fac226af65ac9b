// Clients that somebody else wrote, over WHIP and WHEP, with a real Chromium at the other end.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { startFfmpeg } from "./harness/ffmpeg.mjs";
import { serveForeignPage } from "./harness/foreign.mjs";
import { instrument, picturesMove, tile } from "./harness/observe.mjs";
import { Scene } from "./harness/scene.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("playwright-core").Page} Page */

describe("other people's clients", () => {
  /** @type {Scene} */
  let scene;
  /** @type {Awaited<ReturnType<typeof serveForeignPage>>} */
  let foreign;
  before(async () => {
    scene = await Scene.set();
    foreign = await serveForeignPage();
  });
  after(async () => {
    foreign?.close();
    await scene?.end();
  });

  /** @returns {Promise<Page>} */
  async function foreignPage() {
    const context = await scene.browser.newContext();
    await instrument(context);
    const page = await context.newPage();
    await page.goto(foreign.url);
    await page.waitForFunction(() => "clients" in window);
    return page;
  }

  test("FFmpeg publishes over WHIP and is watched in Chromium", async () => {
    const ffmpeg = await startFfmpeg(`${scene.server.url}/whip/ffmpeg/feed`);
    try {
      const viewer = await scene.viewer("ffmpeg");
      await picturesMove(viewer, `${tile("feed")} video`);
      await ffmpeg.stop();
      await until("the tile disappears when FFmpeg leaves", async () => (await viewer.locator(tile("feed")).count()) === 0);
      await viewer.context().close();
    } finally {
      await ffmpeg.stop();
    }
  });

  test("a page of another origin imports our client library, publishes and watches", async () => {
    const page = await foreignPage();
    await page.evaluate(async (url) => {
      const { joinRoom } = await import(`${url}/assets/client/room.js`);
      const room = await joinRoom({ url, room: "imported", name: "Ada" });
      const video = document.querySelector("video");
      room.on("track", (/** @type {any} */ { mediaStream }) => video && (video.srcObject = mediaStream));
      room.watch("all", { own: true });
      const camera = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 }, audio: true });
      Object.assign(window, { room, publisher: room.publish("ada-cam", camera, { codec: "vp9", maxBitrate: 600_000 }) });
    }, scene.server.url);
    await picturesMove(page, "video");
    const ours = await scene.viewer("imported");
    await picturesMove(ours, `${tile("ada-cam")} video`);
    assert.match((await ours.textContent(`${tile("ada-cam")} .name`)) ?? "", /^Ada/);
    await page.evaluate(() => /** @type {any} */ (window).room.leave());
    await until("the tile disappears when she leaves", async () => (await ours.locator(tile("ada-cam")).count()) === 0);
    for (const one of [page, ours]) await one.context().close();
  });

  test("whip-whep publishes, our page and whip-whep watch, and it takes its session back", async () => {
    const publisher = await foreignPage();
    await publisher.evaluate(async (url) => {
      const media = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 }, audio: true });
      const pc = new RTCPeerConnection();
      for (const track of media.getTracks()) pc.addTransceiver(track, { direction: "sendonly", streams: [media] });
      const client = new /** @type {any} */ (window).clients.WhipWhepPublisher();
      await client.publish(pc, url, "any");
      Object.assign(window, { client });
    }, `${scene.server.url}/whip/whipwhep/cam`);
    const ours = await scene.viewer("whipwhep");
    await picturesMove(ours, `${tile("cam")} video`);

    const viewer = await foreignPage();
    await viewer.evaluate(async (url) => {
      const pc = new RTCPeerConnection();
      const media = new MediaStream([pc.addTransceiver("audio", { direction: "recvonly" }), pc.addTransceiver("video", { direction: "recvonly" })].map((t) => t.receiver.track));
      const video = document.querySelector("video");
      if (video) video.srcObject = media;
      const client = new /** @type {any} */ (window).clients.WhipWhepViewer();
      await client.view(pc, url, "any");
      Object.assign(window, { client });
    }, `${scene.server.url}/whep/whipwhep/cam`);
    await picturesMove(viewer, "video");
    await viewer.evaluate(() => /** @type {any} */ (window).client.stop());
    await publisher.evaluate(() => /** @type {any} */ (window).client.stop());
    await until("the tile disappears after DELETE", async () => (await ours.locator(tile("cam")).count()) === 0);
    for (const page of [publisher, viewer, ours]) await page.context().close();
  });

  for (const setup of ["actpass", "passive"]) {
    test(`a page whose certificate is RSA publishes, with setup:${setup}`, async () => {
      const publisher = await foreignPage();
      await publisher.evaluate(async ({ url, setup }) => {
        const key = { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" };
        const pc = new RTCPeerConnection({ certificates: [await RTCPeerConnection.generateCertificate(key)] });
        const media = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 }, audio: true });
        for (const track of media.getTracks()) pc.addTransceiver(track, { direction: "sendonly", streams: [media] });
        await pc.setLocalDescription();
        // Its own description has to say actpass; what the server is told decides who begins.
        const offer = pc.localDescription?.sdp.replaceAll("a=setup:actpass", `a=setup:${setup}`);
        const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body: offer });
        await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
        Object.assign(window, { pc });
      }, { url: `${scene.server.url}/whip/rsa/${setup}`, setup });
      const ours = await scene.viewer("rsa");
      await picturesMove(ours, `${tile(setup)} video`);
      for (const page of [publisher, ours]) await page.context().close();
    });
  }

  for (const bundlePolicy of ["max-bundle", "balanced"]) {
    test(`a page whose first m-line has a codec that nobody takes publishes its picture, ${bundlePolicy}`, async () => {
      const publisher = await foreignPage();
      await publisher.evaluate(async ({ url, bundlePolicy }) => {
        const pc = new RTCPeerConnection({ bundlePolicy });
        const media = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 }, audio: true });
        const [sound] = media.getAudioTracks();
        const audio = pc.addTransceiver(sound ?? "audio", { direction: "sendonly", streams: [media] });
        audio.setCodecPreferences((RTCRtpSender.getCapabilities("audio")?.codecs ?? []).filter((codec) => codec.mimeType === "audio/PCMU"));
        const [picture] = media.getVideoTracks();
        pc.addTransceiver(picture ?? "video", { direction: "sendonly", streams: [media] });
        await pc.setLocalDescription();
        const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body: pc.localDescription?.sdp ?? "" });
        if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
        await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
        Object.assign(window, { pc });
      }, { url: `${scene.server.url}/whip/pcmu/${bundlePolicy}`, bundlePolicy: /** @type {RTCBundlePolicy} */ (bundlePolicy) });
      const ours = await scene.viewer("pcmu", bundlePolicy);
      await picturesMove(ours, `${tile(bundlePolicy)} video`, { sound: false });
      for (const page of [publisher, ours]) await page.context().close();
    });
  }

  test("Eyevinn's clients publish and play", async () => {
    const publisher = await foreignPage();
    await publisher.evaluate(async (endpoint) => {
      const media = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 }, audio: true });
      const client = new /** @type {any} */ (window).clients.EyevinnPublisher({ endpoint, opts: { iceServers: [] } });
      await client.ingest(media);
      Object.assign(window, { client });
    }, `${scene.server.url}/whip/eyevinn/cam`);
    const ours = await scene.viewer("eyevinn");
    await picturesMove(ours, `${tile("cam")} video`);

    const viewer = await foreignPage();
    await viewer.evaluate(async (url) => {
      const video = document.querySelector("video");
      const player = new /** @type {any} */ (window).clients.EyevinnPlayer({ video, type: "whep", iceServers: [] });
      await player.load(new URL(url));
      Object.assign(window, { player });
    }, `${scene.server.url}/whep/eyevinn/cam`);
    await picturesMove(viewer, "video");
    await publisher.evaluate(() => /** @type {any} */ (window).client.destroy());
    await until("the tile disappears after DELETE", async () => (await ours.locator(tile("cam")).count()) === 0);
    for (const page of [publisher, viewer, ours]) await page.context().close();
  });
});
