// Owns the peer connection of one published stream. Never asks for a camera.

/** @import { Connection } from "../connection.js" */
/** @import { Answer, Kind, Welcome } from "../protocol.js" */
/** @import { OfferKind } from "../session.js" */
/** @import { SessionState } from "../state/session.js" */
/** @import { Statistics } from "../stats.js" */

import { Emitter } from "../emitter.js";
import { Session } from "../session.js";
import { summarize } from "../stats.js";
import { Handover } from "./handover.js";
import { Peer, preferCodec } from "./peer.js";

/**
 * @typedef {object} PublishOptions
 * @property {string} [codec] of video: `vp8`, `vp9`, `h264` or `av1`
 * @property {number} [maxBitrate] of video, in bit/s
 * @property {number} [maxFramerate]
 * @property {boolean} [takeover] take the name over from whoever publishes under it
 */

/** @extends {Emitter<{state: SessionState}>} */
export class Publisher extends Emitter {
  stream;
  #link;
  #options;
  #iceServers;
  /** @type {Map<Kind, MediaStreamTrack>} */
  #tracks = new Map();
  /** @type {Handover<Peer>} */
  #peers = new Handover();
  #session = new Session({ negotiate: (kind, session) => this.#negotiate(kind, session) });
  /** The name is ours: a new offer takes it over from our own last session. */
  #owned = false;
  /** @type {Statistics | null} */
  #statistics = null;
  /** @type {(() => void)[]} */
  #detach;

  /**
   * @param {Connection} link
   * @param {string} stream
   * @param {MediaStream} mediaStream
   * @param {PublishOptions} options
   * @param {() => RTCIceServer[]} iceServers
   */
  constructor(link, stream, mediaStream, options, iceServers) {
    super();
    this.stream = stream;
    this.#link = link;
    this.#options = options;
    this.#iceServers = iceServers;
    for (const track of mediaStream.getTracks()) this.#tracks.set(kindOf(track), track);
    this.#detach = [
      link.on("welcome", (welcome) => this.#welcome(welcome)),
      link.on("event", (event) => {
        if ((event.type !== "session_lost" && event.type !== "move") || event.session !== this.state.session) return;
        this.#session.dispatch(event.type === "move" ? { type: "moved" } : { type: "lost", reason: event.reason });
      }),
      this.#session.on("state", (state) => this.#changed(state)),
    ];
  }

  /** @returns {SessionState} */
  get state() {
    return this.#session.state;
  }

  start() {
    this.#session.dispatch({ type: "start" });
  }

  /** After `stream_exists`: offers again, and this time takes the name over. */
  takeOver() {
    this.#owned = true;
    this.start();
  }

  stop() {
    const { session } = this.state;
    this.#session.dispatch({ type: "stop" });
    for (const detach of this.#detach) detach();
    this.#peers.end();
    // Best effort: without it the server notices by itself.
    if (session) this.#link.request("unpublish", { session }).catch(() => {});
  }

  /**
   * Other sources, such as another camera, for the same stream.
   * @param {MediaStream} mediaStream
   */
  async replace(mediaStream) {
    let fresh = false;
    for (const track of mediaStream.getTracks()) {
      const kind = kindOf(track);
      this.#tracks.set(kind, track);
      const sender = this.#sender(kind);
      if (sender) await sender.replaceTrack(track);
      else fresh = true;
    }
    if (fresh) this.#session.dispatch({ type: "changed" });
  }

  /**
   * Silence or a black picture, and the others are told.
   * @param {Kind} kind
   * @param {boolean} muted
   */
  async mute(kind, muted) {
    const track = this.#tracks.get(kind);
    if (track) track.enabled = !muted;
    const mid = this.#transceiver(kind)?.mid;
    const { session } = this.state;
    if (mid && session) await this.#link.request("mute", { session, mid, muted }).catch(() => {});
  }

  /** @returns {Promise<Statistics | null>} rates are since the call before */
  async statistics() {
    const pc = this.#peers.carrying?.pc;
    if (!pc) return null;
    this.#statistics = summarize((await pc.getStats()).values(), this.#statistics);
    return this.#statistics;
  }

  /** @returns {string[]} */
  livingSessions() {
    return this.#peers.living();
  }

  /** @param {Welcome} welcome */
  #welcome(welcome) {
    const { session } = this.state;
    this.#session.dispatch({ type: "link_up", lives: session !== null && welcome.sessions.includes(session) });
  }

  /** @param {SessionState} state */
  #changed(state) {
    if (state.phase === "live") {
      this.#owned = true;
      this.#peers.complete();
      for (const [kind, track] of this.#tracks) if (!track.enabled) void this.mute(kind, true);
    }
    if (state.phase === "refused") this.#peers.end();
    this.emit("state", state);
  }

  /**
   * @param {OfferKind} kind
   * @param {string | null} session
   */
  async #negotiate(kind, session) {
    if (kind === "fresh") this.#peers.begin(new Peer(this.#iceServers(), (peer, state) => this.#peerSaid(peer, state)));
    const peer = this.#peers.newest;
    if (!peer) throw new Error("the peer connection is gone");
    for (const [name, track] of this.#tracks) if (!this.#sender(name)) this.#add(peer.pc, name, track);
    const answer = await peer.exchange({ iceRestart: kind === "restart" }, (sdp) => this.#ask(sdp, session));
    return answer.session;
  }

  /**
   * @param {string} sdp
   * @param {string | null} session
   * @returns {Promise<Answer>}
   */
  #ask(sdp, session) {
    const takeover = this.#owned || this.#options.takeover || undefined;
    return this.#link.request("publish", { stream: this.stream, sdp, session: session ?? undefined, takeover });
  }

  /**
   * @param {RTCPeerConnection} pc
   * @param {Kind} kind
   * @param {MediaStreamTrack} track
   */
  #add(pc, kind, track) {
    const { codec, maxBitrate, maxFramerate } = this.#options;
    const encoding = kind === "video" ? { maxBitrate, maxFramerate } : {};
    const transceiver = pc.addTransceiver(track, { direction: "sendonly", sendEncodings: [defined(encoding)] });
    const codecs = RTCRtpSender.getCapabilities(kind)?.codecs;
    if (kind === "video" && codec && codecs) transceiver.setCodecPreferences(preferCodec(codecs, codec));
  }

  /**
   * @param {Peer} peer
   * @param {RTCPeerConnectionState} state
   */
  #peerSaid(peer, state) {
    if (peer === this.#peers.newest) this.#session.dispatch({ type: "peer", peer: state });
  }

  /** @param {Kind} kind */
  #transceiver(kind) {
    return this.#peers.newest?.pc.getTransceivers().find((t) => t.sender.track?.kind === kind);
  }

  /** @param {Kind} kind */
  #sender(kind) {
    return this.#transceiver(kind)?.sender;
  }
}

/** @param {MediaStreamTrack} track */
function kindOf(track) {
  return /** @type {Kind} */ (track.kind);
}

/**
 * Chromium refuses an encoding parameter that is there and undefined.
 * @template {object} T
 * @param {T} value
 * @returns {T}
 */
function defined(value) {
  return /** @type {T} */ (Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)));
}
