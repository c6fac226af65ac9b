// Puts the answers of this crate before a real browser: each must pass setRemoteDescription, and
// what the browser then has negotiated must be what the answer meant.
//
//   cargo build --release -p chappe-signaling-sdp --example answer_sdp
//   npm install --no-save playwright-core puppeteer-core
//   node signaling/sdp/tests/browser/sdp.mjs PATH/TO/examples/answer_sdp [chromium|firefox] [PATH/TO/BROWSER]
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

const [answerer, name = 'chromium', executablePath] = process.argv.slice(2);
// Found where the script is run from, not where it lies.
const require = createRequire(`${process.cwd()}/`);

const child = spawn(answerer, { stdio: ['pipe', 'pipe', 'inherit'] });
const replies = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
async function answer(request) {
  child.stdin.write(`${JSON.stringify(request)}\n`);
  const reply = JSON.parse((await replies.next()).value);
  assert.equal(reply.error, undefined, reply.message);
  return reply;
}

const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html>'));
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const launch = {
  chromium: () => require('playwright-core').chromium.launch({
    executablePath: executablePath ?? '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream=fps=30'],
  }),
  firefox: () => require('puppeteer-core').launch({
    browser: 'firefox',
    executablePath: executablePath ?? '/usr/bin/firefox-esr',
    headless: true,
    extraPrefsFirefox: { 'media.navigator.streams.fake': true, 'media.navigator.permission.disabled': true },
  }),
};
const browser = await launch[name]();
let failed = 0;
async function test(title, run) {
  const page = await browser.newPage();
  try {
    await page.exposeFunction('answer', answer);
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    console.log(`ok    ${title}: ${JSON.stringify(await run(page))}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${title}: ${error.stack}`);
  }
  await page.close();
}

/** Runs in the page: publishes the fake camera in this codec, twice (a renegotiation), then a third track. */
async function publish({ first, simulcast }) {
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 640, height: 360 } });
  const sendEncodings = simulcast ? [{ rid: 'q', scaleResolutionDownBy: 2 }, { rid: 'f' }] : undefined;
  const video = pc.addTransceiver(media.getVideoTracks()[0], { direction: 'sendonly', sendEncodings });
  pc.addTransceiver(media.getAudioTracks()[0], { direction: 'sendonly' });
  const codecs = RTCRtpSender.getCapabilities('video').codecs;
  video.setCodecPreferences(codecs.filter((c) => c.mimeType === first || c.mimeType === 'video/rtx'));
  const rounds = [];
  for (const round of [1, 2, 3]) {
    if (round === 3) pc.addTransceiver(media.getVideoTracks()[0].clone(), { direction: 'sendonly' });
    await pc.setLocalDescription(await pc.createOffer());
    const reply = await window.answer({ use: 'publish', new: round === 1, sdp: pc.localDescription.sdp });
    await pc.setRemoteDescription({ type: 'answer', sdp: reply.sdp });
    rounds.push({
      state: pc.signalingState,
      directions: pc.getTransceivers().map((t) => t.currentDirection).join(),
      first: `video/${/a=rtpmap:\d+ (\w+)/.exec(reply.sdp)[1]}`,
      codecs: [...new Set(reply.media.receive[0].codecs.map((c) => c.codec.toUpperCase()))].join(),
      encodings: video.sender.getParameters().encodings.length,
      extensions: video.sender.getParameters().headerExtensions?.length,
      tracks: reply.media.receive.map((t) => t.track).join(),
    });
  }
  pc.close();
  return rounds;
}

/** Runs in the page: watches with two m-lines, renegotiates with two more, removes one. */
async function watch({ waiting }) {
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  const streams = [];
  pc.ontrack = (event) => streams.push(`${event.track.kind} ${event.streams[0]?.id} ${event.track.id}`);
  const rounds = [];
  const round = async () => {
    await pc.setLocalDescription(await pc.createOffer());
    const reply = await window.answer({ use: 'watch', new: rounds.length === 0, sdp: pc.localDescription.sdp, waiting });
    await pc.setRemoteDescription({ type: 'answer', sdp: reply.sdp });
    rounds.push({
      state: pc.signalingState,
      directions: pc.getTransceivers().map((t) => t.currentDirection).join(),
      first: `video/${/a=rtpmap:\d+ (\w+)/.exec(reply.sdp)[1]}`,
      decodes: pc.getReceivers()[0].getParameters().codecs?.length,
      states: reply.states.join(),
      ssrcs: reply.media.send.map((t) => t.ssrc).join(),
    });
  };
  pc.addTransceiver('video', { direction: 'recvonly' });
  const audio = pc.addTransceiver('audio', { direction: 'recvonly' });
  await round();
  pc.addTransceiver('video', { direction: 'recvonly' });
  pc.addTransceiver('audio', { direction: 'recvonly' });
  await round();
  audio.stop();
  await round();
  // The place of the stopped m-line is taken by a new one (RFC 8829 section 5.2.2).
  pc.addTransceiver('audio', { direction: 'recvonly' });
  await round();
  pc.close();
  return { rounds, streams };
}

// Debian's Firefox has no H264.
const codecs = ['video/VP8', 'video/VP9', 'video/AV1', ...(name === 'firefox' ? [] : ['video/H264'])];
for (const first of codecs) {
  await test(`publish ${first}`, async (page) => {
    const rounds = await page.evaluate(publish, { first });
    for (const round of rounds) {
      assert.equal(round.state, 'stable');
      assert.ok(round.directions.split(',').every((d) => d === 'sendonly'), round.directions);
      assert.equal(round.first, first);
      assert.equal(round.codecs, first.slice(6));
    }
    assert.equal(rounds[1].tracks, rounds[0].tracks, 'track ids are stable');
    assert.ok(rounds[2].tracks.startsWith(`${rounds[0].tracks},`));
    return rounds.at(-1);
  });
  await test(`watch ${first}`, async (page) => {
    const { rounds, streams } = await page.evaluate(watch, { waiting: false });
    for (const round of rounds) assert.equal(round.state, 'stable');
    assert.equal(rounds[0].first, first, 'what is sent comes first');
    assert.equal(rounds[0].directions, 'recvonly,recvonly');
    assert.equal(rounds[0].states, 'live,live');
    assert.ok(rounds[1].ssrcs.startsWith(`${rounds[0].ssrcs},`), 'SSRCs are stable');
    assert.equal(rounds[3].directions.split(',').length, 4);
    return { rounds, streams };
  });
}
/** Runs in the page: offers audio in PCMU alone and before the picture, with every video codec, AV1 first. */
async function pcmuFirst({ use, bundlePolicy }) {
  const pc = new RTCPeerConnection({ bundlePolicy });
  const direction = use === 'publish' ? 'sendonly' : 'recvonly';
  const media = use === 'publish' ? await navigator.mediaDevices.getUserMedia({ audio: true, video: true }) : null;
  const audio = pc.addTransceiver(media?.getAudioTracks()[0] ?? 'audio', { direction });
  const video = pc.addTransceiver(media?.getVideoTracks()[0] ?? 'video', { direction });
  const of = (kind) => RTCRtpReceiver.getCapabilities(kind).codecs;
  audio.setCodecPreferences(of('audio').filter((c) => c.mimeType.toLowerCase() === 'audio/pcmu'));
  const isAv1 = (c) => c.mimeType.toLowerCase() === 'video/av1';
  video.setCodecPreferences([...of('video').filter(isAv1), ...of('video').filter((c) => !isAv1(c))]);
  const rounds = [];
  for (const isNew of [true, false]) {
    await pc.setLocalDescription(await pc.createOffer());
    const reply = await window.answer({ use, new: isNew, waiting: true, sdp: pc.localDescription.sdp });
    await pc.setRemoteDescription({ type: 'answer', sdp: reply.sdp });
    rounds.push({
      state: pc.signalingState,
      video: video.currentDirection,
      first: /m=video[^]*?a=rtpmap:\d+ (\w+)/.exec(reply.sdp)[1],
    });
  }
  pc.close();
  return rounds;
}

for (const use of ['publish', 'watch']) {
  for (const bundlePolicy of ['max-bundle', 'balanced', 'max-compat']) {
    await test(`${use} with audio in PCMU before the picture, ${bundlePolicy}`, async (page) => {
      const rounds = await page.evaluate(pcmuFirst, { use, bundlePolicy });
      for (const round of rounds) {
        assert.equal(round.state, 'stable');
        assert.equal(round.video, use === 'publish' ? 'sendonly' : 'recvonly');
        if (use === 'publish') assert.notEqual(round.first, 'AV1', 'what most decode comes first');
      }
      return rounds.at(-1);
    });
  }
}
await test('watch what is not there yet', (page) => page.evaluate(watch, { waiting: true }));
await test('publish with simulcast offered and declined', async (page) => {
  const rounds = await page.evaluate(publish, { first: 'video/VP8', simulcast: true });
  for (const round of rounds) assert.equal(round.encodings, 1);
  return rounds.at(-1);
});

await browser.close();
child.stdin.end();
server.close();
console.log(failed === 0 ? 'all passed' : `${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
