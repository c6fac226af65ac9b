// Owns the peer connection of one published stream. Never asks for a camera.

/** @import { Connection } from "../connection.js" */
/** @import { Answer, Kind, ServerEvent, Welcome } from "../protocol.js" */
/** @import { OfferKind } from "../session.js" */
/** @import { Moderated } from "../state/moderated.js" */
/** @import { SessionState } from "../state/session.js" */
/** @import { Statistics } from "../stats.js" */
/** @import { Terms } from "./peer.js" */

import { Emitter } from "../emitter.js";
import { Session } from "../session.js";
import { nothingModerated, updateModerated } from "../state/moderated.js";
import { PUBLISHER_SILENT_MS_MIN } from "../state/pulse.js";
import { summarize } from "../stats.js";
import { pageCertificate } from "./certificate.js";
import { Handover } from "./handover.js";
import { Heartbeat } from "./heartbeat.js";
import { ALIVE_MS, Peer } from "./peer.js";
import { addPicture, fitPicture } from "./sending.js";

/**
 * @typedef {object} PublishOptions
 * @property {string} [codec] of video: `vp8`, `vp9`, `h264` or `av1`
 * @property {number} [maxBitrate] of video, in bit/s
 * @property {number} [maxFramerate]
 * @property {string} [scalabilityMode] of a camera in VP9 or AV1 (W3C webrtc-svc), such as `L3T3_KEY`
 * @property {string | undefined} [insteadOf] an earlier session of one's own under this name, from before the page was loaded anew:
 *   it proves that the name is one's own
 * @property {boolean} [listed] everybody finds it on the start page
 */

/** The server ends the old session when media of the new one is there; after this long we do. */
const OLD_MS_MAX = 5000;

/** @extends {Emitter<{state: SessionState, moderated: Moderated}>} */
export class Publisher extends Emitter {
  stream;
  #link;
  #options;
  #terms;
  /** @type {Map<Kind, MediaStreamTrack | null>} of each kind that this stream has had; null: taken away */
  #tracks = new Map();
  /** @type {Set<Kind>} silenced by the person */
  #silenced = new Set();
  #moderated = nothingModerated;
  /** @type {Handover<Peer>} */
  #peers = new Handover((session) => this.#unpublish(session));
  #session = new Session({ negotiate: (kind, asked, withinMs) => this.#negotiate(kind, asked, withinMs), ready: () => pageCertificate.ready() });
  #heartbeat = new Heartbeat({
    subject: () => (this.#peers.carrying?.aliveMs ? this.#connected() : null),
    silentMsMin: PUBLISHER_SILENT_MS_MIN,
    onLate: () => this.#link.suspect(),
    onSilent: (peer) => this.#stalled(peer),
  });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #oldTimer;
  /** @type {Statistics | null} */
  #statistics = null;
  /** @type {(() => void)[]} */
  #detach;

  /**
   * @param {Connection} link
   * @param {string} stream
   * @param {MediaStream} mediaStream
   * @param {PublishOptions} options
   * @param {() => Terms} terms
   */
  constructor(link, stream, mediaStream, options, terms) {
    super();
    this.stream = stream;
    this.#link = link;
    this.#options = options;
    this.#terms = terms;
    for (const track of mediaStream.getTracks()) this.#take(kindOf(track), track);
    this.#detach = [
      link.on("welcome", (welcome) => this.#welcome(welcome)),
      link.on("event", (event) => this.#receive(event)),
      this.#session.on("state", (state) => this.#changed(state)),
    ];
  }

  /** @returns {SessionState} */
  get state() {
    return this.#session.state;
  }

  /** What is sent arrives, as far as is known: null when nothing is sent. */
  get flows() {
    if (!this.#peers.carrying) return null;
    const peer = this.#connected();
    return peer !== null && (this.#heartbeat.beats || peer.aliveMs === 0);
  }

  /** Also once more, after a refusal. */
  start() {
    this.#session.dispatch({ type: "start" });
  }

  stop() {
    const { session } = this.state;
    this.#session.dispatch({ type: "stop" });
    for (const detach of this.#detach) detach();
    this.#heartbeat.end();
    clearTimeout(this.#oldTimer);
    this.#endPeers(session);
  }

  /** @param {string | null} [session] the newest, which may have no peer connection any more */
  #endPeers(session = null) {
    for (const held of new Set([session, ...this.#peers.held()])) if (held) this.#unpublish(held);
    this.#peers.close();
  }

  /**
   * Other sources, such as another camera, for the same stream. A kind that is not among them is taken away, and the
   * others are told.
   * @param {MediaStream} mediaStream
   * @param {{maxBitrate?: number | undefined}} [options]
   */
  async replace(mediaStream, { maxBitrate = this.#options.maxBitrate } = {}) {
    this.#options = { ...this.#options, maxBitrate };
    let fresh = false;
    for (const kind of KINDS) {
      const track = mediaStream.getTracks().find((t) => t.kind === kind) ?? null;
      if (track || this.#tracks.has(kind)) this.#take(kind, track);
      if (track && this.#silenced.has(kind)) track.enabled = false;
      const senders = this.#senders(kind);
      fresh ||= track !== null && senders.length === 0;
      for (const sender of senders) await sender.replaceTrack(track);
      void this.#tellMuted(kind);
    }
    await this.#fitPictures();
    if (fresh) this.#session.dispatch({ type: "changed" });
  }

  /**
   * Silence or a black picture, and the others are told.
   * @param {Kind} kind
   * @param {boolean} muted
   */
  async mute(kind, muted) {
    if (muted) this.#silenced.add(kind);
    else this.#silenced.delete(kind);
    const track = this.#tracks.get(kind);
    if (track) track.enabled = !muted;
    await this.#tellMuted(kind);
  }

  /** What an operator muted: nobody gets it until the operator takes that back. */
  get moderated() {
    return this.#moderated;
  }

  /** Which kinds are seen and heard, as far as is known here. */
  get sends() {
    const sends = (/** @type {Kind} */ kind) => this.#tracks.has(kind) && !this.#muted(kind) && !this.#moderated.has(kind);
    return { video: sends("video"), audio: sends("audio") };
  }

  /**
   * @param {Kind} kind
   * @param {MediaStreamTrack | null} track
   */
  #take(kind, track) {
    const known = this.#tracks.get(kind);
    this.#tracks.set(kind, track);
    if (!track || track === known) return;
    const changed = () => void (this.#tracks.get(kind) === track && this.#tellMuted(kind));
    for (const type of ["mute", "unmute"]) track.addEventListener(type, changed);
  }

  /**
   * By the person, or by the system, as during a telephone call.
   * @param {Kind} kind
   */
  #muted(kind) {
    const track = this.#tracks.get(kind);
    return this.#tracks.has(kind) && (!track || !track.enabled || track.muted);
  }

  /** @param {Kind} kind */
  async #tellMuted(kind) {
    const mid = this.#transceiver(kind)?.mid;
    const { session } = this.state;
    if (mid && session) await this.#link.request("mute", { session, mid, muted: this.#muted(kind) }).catch(() => {});
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

  /** @param {Welcome | ServerEvent} event */
  #heedModerated(event) {
    const before = this.#moderated;
    this.#moderated = updateModerated(before, this.stream, event);
    if (this.#moderated === before) return;
    this.emit("moderated", this.#moderated);
    // What was refused meanwhile.
    for (const kind of before) if (!this.#moderated.has(kind)) void this.#tellMuted(kind);
  }

  /** @param {Welcome} welcome */
  #welcome(welcome) {
    this.#heedModerated(welcome);
    const { session, old } = this.state;
    // What was said meanwhile did not get here.
    this.#heedUnwatched(() => true, []);
    if (old !== null && !welcome.sessions.includes(old)) this.#oldEnded();
    this.#session.dispatch({ type: "link_up", lives: session !== null && welcome.sessions.includes(session) });
  }

  /** @param {ServerEvent} event */
  #receive(event) {
    this.#heedModerated(event);
    if (event.type === "unwatched") this.#heedUnwatched((peer) => peer.session === event.session && transceiverOf(peer, "video")?.mid === event.mid, event.encodings);
    if (event.type === "move" && event.session === this.state.session) this.#session.dispatch({ type: "moved" });
    if (event.type !== "session_lost") return;
    if (event.session === this.state.old) this.#oldEnded(event.reason);
    if (event.session === this.state.session) this.#session.dispatch({ type: "lost", reason: event.reason });
  }

  /**
   * @param {(peer: Peer) => boolean} concerned
   * @param {readonly number[]} encodings by their places
   */
  #heedUnwatched(concerned, encodings) {
    const peers = this.#sending().filter(concerned);
    for (const peer of peers) peer.unwatched = encodings;
    if (peers.length > 0) void this.#fitPictures();
  }

  /** @param {SessionState} state */
  #changed(state) {
    if (state.phase === "live") {
      if (!this.#peers.retiring || !state.oldFlows) this.#carries();
      else this.#oldTimer ??= setTimeout(() => this.#carries(), OLD_MS_MAX);
      for (const kind of this.#tracks.keys()) if (this.#muted(kind)) void this.#tellMuted(kind);
    }
    // Also what was answered already in place of a session that another device took over.
    if (state.phase === "refused") this.#endPeers();
    this.emit("state", state);
  }

  /** Either the server has seen enough of the new session, or the old one died: nobody is shown it any more. */
  #oldEnded(reason = "") {
    this.#session.dispatch({ type: "old_ended", reason });
    if (this.state.phase === "live") this.#carries();
  }

  #carries() {
    clearTimeout(this.#oldTimer);
    this.#oldTimer = undefined;
    this.#peers.complete();
    this.#session.dispatch({ type: "carries" });
  }

  /**
   * @param {OfferKind} kind
   * @param {SessionState} asked
   * @param {number} withinMs
   */
  async #negotiate(kind, asked, withinMs) {
    if (kind === "fresh") this.#begin();
    const peer = this.#peers.newest;
    if (!peer) throw new Error("the peer connection is gone");
    for (const [name, track] of this.#tracks) if (!this.#transceiver(name)) this.#add(peer.pc, name, track);
    const session = kind === "fresh" ? { instead_of: asked.old ?? this.#options.insteadOf, listed: this.#options.listed, alive_ms: ALIVE_MS } : { session: asked.session ?? undefined };
    const answer = await peer.exchange({ iceRestart: kind === "restart" }, (sdp) => this.#ask(peer, { sdp, ...session }, withinMs));
    await this.#fitPictures();
    return answer.session;
  }

  /** Best effort: a sender that is being stopped refuses. */
  async #fitPictures() {
    for (const peer of this.#sending()) {
      const sender = transceiverOf(peer, "video")?.sender;
      if (sender) await fitPicture(sender, this.#options, peer.unwatched).catch(() => {});
    }
  }

  #begin() {
    clearTimeout(this.#oldTimer);
    this.#oldTimer = undefined;
    this.#peers.begin(new Peer(this.#terms().iceServers, (peer, state) => this.#peerSaid(peer, state)));
  }

  /**
   * @param {Peer} peer
   * @param {Record<string, unknown>} fields
   * @param {number} withinMs
   * @returns {Promise<Answer>}
   */
  async #ask(peer, fields, withinMs) {
    const answer = await this.#link.request("publish", { stream: this.stream, ...fields }, withinMs);
    if (peer.closed) this.#unpublish(answer.session);
    return answer;
  }

  /** @param {string} session */
  #unpublish(session) {
    // Best effort: without it the server notices by itself.
    this.#link.request("unpublish", { session }).catch(() => {});
  }

  #connected() {
    const { carrying } = this.#peers;
    return carrying?.pc.connectionState === "connected" ? carrying : null;
  }

  /** @param {Peer} peer */
  #stalled(peer) {
    peer.silent = true;
    this.#link.check();
    if (peer === this.#peers.newest) this.#session.dispatch({ type: "stalled" });
    else this.#oldEnded();
  }

  /**
   * @param {RTCPeerConnection} pc
   * @param {Kind} kind
   * @param {MediaStreamTrack | null} track
   */
  #add(pc, kind, track) {
    if (kind === "video") addPicture(pc, track, this.#options);
    else pc.addTransceiver(track ?? kind, { direction: "sendonly" });
  }

  /**
   * @param {Peer} peer
   * @param {RTCPeerConnectionState} state
   */
  #peerSaid(peer, state) {
    if (state === "disconnected" || state === "failed") this.#link.check();
    if (peer === this.#peers.newest) this.#session.dispatch({ type: "peer", peer: state });
    else if (state === "failed") this.#oldEnded();
  }

  /** @param {Kind} kind */
  #transceiver(kind) {
    return this.#peers.newest ? transceiverOf(this.#peers.newest, kind) : undefined;
  }

  /** @param {Kind} kind */
  #senders(kind) {
    return this.#sending().flatMap((peer) => transceiverOf(peer, kind)?.sender ?? []);
  }

  /** Also the one that is about to be left. */
  #sending() {
    return [...new Set([this.#peers.newest, this.#peers.carrying].filter((peer) => peer !== null))];
  }
}

/** @type {Kind[]} */
const KINDS = ["video", "audio"];

/**
 * A sender whose track was taken away is known by what it could receive.
 * @param {Peer} peer
 * @param {Kind} kind
 */
function transceiverOf(peer, kind) {
  return peer.pc.getTransceivers().find((t) => t.receiver.track.kind === kind);
}

/** @param {MediaStreamTrack} track */
function kindOf(track) {
  return /** @type {Kind} */ (track.kind);
}
