// Owns what a page does to have its offers answered again and again. Each function runs in the page, where
// `window.answer` puts an offer before the server's code.

/** @typedef {{sdp: string, states: string[], media: {receive: {track: string, codecs: {codec: string}[]}[], send: {ssrc: number}[]}}} Reply */

/**
 * Publishes the fake camera in this codec, twice (a renegotiation), then a third track.
 * @param {{first: string}} asked
 */
export async function publish({ first }) {
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 640, height: 360 } });
  const [picture] = media.getVideoTracks();
  const [sound] = media.getAudioTracks();
  if (!picture || !sound) throw new Error("there is no camera or no microphone");
  const video = pc.addTransceiver(picture, { direction: "sendonly" });
  pc.addTransceiver(sound, { direction: "sendonly" });
  const codecs = RTCRtpSender.getCapabilities("video")?.codecs ?? [];
  video.setCodecPreferences(codecs.filter((codec) => codec.mimeType === first || codec.mimeType === "video/rtx"));
  const rounds = [];
  for (const round of [1, 2, 3]) {
    if (round === 3) pc.addTransceiver(picture.clone(), { direction: "sendonly" });
    await pc.setLocalDescription(await pc.createOffer());
    const offer = { use: "publish", new: round === 1, sdp: pc.localDescription?.sdp };
    const reply = /** @type {Reply} */ (await /** @type {any} */ (window).answer(offer));
    await pc.setRemoteDescription({ type: "answer", sdp: reply.sdp });
    rounds.push({
      state: pc.signalingState,
      directions: pc.getTransceivers().map((transceiver) => transceiver.currentDirection).join(),
      first: `video/${/a=rtpmap:\d+ (\w+)/.exec(reply.sdp)?.[1]}`,
      codecs: [...new Set(reply.media.receive[0]?.codecs.map((codec) => codec.codec.toUpperCase()))].join(),
      tracks: reply.media.receive.map((line) => line.track).join(),
    });
  }
  pc.close();
  return rounds;
}

/**
 * Watches with two m-lines, renegotiates with two more, removes one, and puts another in its place.
 * @param {{waiting: boolean}} asked whether nothing is there yet
 */
export async function watch({ waiting }) {
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  /** @type {{state: string, directions: string, first: string, states: string, ssrcs: string}[]} */
  const rounds = [];
  const round = async () => {
    await pc.setLocalDescription(await pc.createOffer());
    const offer = { use: "watch", new: rounds.length === 0, sdp: pc.localDescription?.sdp, waiting };
    const reply = /** @type {Reply} */ (await /** @type {any} */ (window).answer(offer));
    await pc.setRemoteDescription({ type: "answer", sdp: reply.sdp });
    rounds.push({
      state: pc.signalingState,
      directions: pc.getTransceivers().map((transceiver) => transceiver.currentDirection).join(),
      first: `video/${/a=rtpmap:\d+ (\w+)/.exec(reply.sdp)?.[1]}`,
      states: reply.states.join(),
      ssrcs: reply.media.send.map((line) => line.ssrc).join(),
    });
  };
  pc.addTransceiver("video", { direction: "recvonly" });
  const audio = pc.addTransceiver("audio", { direction: "recvonly" });
  await round();
  pc.addTransceiver("video", { direction: "recvonly" });
  pc.addTransceiver("audio", { direction: "recvonly" });
  await round();
  audio.stop();
  await round();
  // The place of the stopped m-line is taken by a new one (RFC 8829 section 5.2.2).
  pc.addTransceiver("audio", { direction: "recvonly" });
  await round();
  pc.close();
  return rounds;
}

/**
 * Offers audio in PCMU alone and before the picture, with every video codec, AV1 first.
 * @param {{use: string, bundlePolicy: RTCBundlePolicy}} asked
 */
export async function pcmuFirst({ use, bundlePolicy }) {
  const pc = new RTCPeerConnection({ bundlePolicy });
  const direction = use === "publish" ? "sendonly" : "recvonly";
  const media = use === "publish" ? await navigator.mediaDevices.getUserMedia({ audio: true, video: true }) : null;
  const audio = pc.addTransceiver(media?.getAudioTracks()[0] ?? "audio", { direction });
  const video = pc.addTransceiver(media?.getVideoTracks()[0] ?? "video", { direction });
  const of = (/** @type {string} */ kind) => RTCRtpReceiver.getCapabilities(kind)?.codecs ?? [];
  audio.setCodecPreferences(of("audio").filter((codec) => codec.mimeType.toLowerCase() === "audio/pcmu"));
  const isAv1 = (/** @type {RTCRtpCodec} */ codec) => codec.mimeType.toLowerCase() === "video/av1";
  video.setCodecPreferences([...of("video").filter(isAv1), ...of("video").filter((codec) => !isAv1(codec))]);
  const rounds = [];
  for (const isNew of [true, false]) {
    await pc.setLocalDescription(await pc.createOffer());
    const offer = { use, new: isNew, waiting: true, sdp: pc.localDescription?.sdp };
    const reply = /** @type {Reply} */ (await /** @type {any} */ (window).answer(offer));
    await pc.setRemoteDescription({ type: "answer", sdp: reply.sdp });
    rounds.push({
      state: pc.signalingState,
      video: video.currentDirection,
      first: /m=video[^]*?a=rtpmap:\d+ (\w+)/.exec(reply.sdp)?.[1],
    });
  }
  pc.close();
  return rounds;
}
