// Owns the one peer connection of everything a page watches. Never decides what is worth watching.

/** @import { Connection } from "../connection.js" */
/** @import { Answer, Kind, ServerEvent, Slot, SlotState, Stream, Welcome } from "../protocol.js" */
/** @import { OfferKind } from "../session.js" */
/** @import { SessionState } from "../state/session.js" */
/** @import { Seat, Wanted } from "../state/slots.js" */
/** @import { Arrival } from "../state/stall.js" */
/** @import { Statistics } from "../stats.js" */
/** @import { Streams } from "../state/streams.js" */

import { Emitter } from "../emitter.js";
import { Session } from "../session.js";
import { planSeats, wantedSeats } from "../state/slots.js";
import { updateArrival } from "../state/stall.js";
import { noStreams } from "../state/streams.js";
import { summarize } from "../stats.js";
import { Handover } from "./handover.js";
import { Peer } from "./peer.js";

/**
 * One track of a watched stream, as far as it got.
 * @typedef {object} ViewTrack
 * @property {Kind} kind
 * @property {string} mid of the watching peer connection
 * @property {SlotState} state
 * @property {string} [message] when `unsupported`
 */

/**
 * A watched stream with something to put into `video.srcObject`.
 * @typedef {object} View
 * @property {string} stream
 * @property {Stream | null} source null while nobody publishes it
 * @property {MediaStream} mediaStream the same object for as long as the stream is watched
 * @property {ViewTrack[]} tracks
 * @property {boolean} over there was no place left for it
 */

/** A peer connection with its receiving m-lines; `transceivers` go with `seats` by place. */
class WatchingPeer extends Peer {
  /** @type {readonly Seat[]} */
  seats = [];
  /** @type {RTCRtpTransceiver[]} */
  transceivers = [];
  /** @type {Map<string, Slot>} by mid */
  slots = new Map();
}

const LOOK_EVERY_MS = 500;
/** How long a stream that left is still shown with its last picture. */
const LINGER_MS = 1500;

/** @extends {Emitter<{state: SessionState, views: View[]}>} */
export class Watcher extends Emitter {
  #link;
  #iceServers;
  /** @type {Wanted} */
  #wanted = [];
  /** @type {(stream: Stream) => boolean} */
  #except = () => false;
  /** @type {Streams} */
  #streams = noStreams;
  /** Streams that just left: a publisher whose worker died is back before anyone needs to see it go. */
  /** @type {Map<string, {source: Stream, timer: ReturnType<typeof setTimeout>}>} */
  #lingering = new Map();
  /** @type {Handover<WatchingPeer>} */
  #peers = new Handover();
  #session = new Session({ negotiate: (kind, session) => this.#negotiate(kind, session) });
  /** @type {Map<string, MediaStream>} */
  #mediaStreams = new Map();
  /** @type {string[]} */
  #over = [];
  /** @type {Arrival | null} */
  #arrival = null;
  /** @type {Statistics | null} */
  #statistics = null;
  #looking = setInterval(() => void this.#look(), LOOK_EVERY_MS);
  /** @type {(() => void)[]} */
  #detach;

  /**
   * @param {Connection} link
   * @param {() => RTCIceServer[]} iceServers
   */
  constructor(link, iceServers) {
    super();
    this.#link = link;
    this.#iceServers = iceServers;
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

  /**
   * @param {Wanted} wanted
   * @param {(stream: Stream) => boolean} [except]
   */
  want(wanted, except = () => false) {
    this.#wanted = wanted;
    this.#except = except;
    this.#replan();
  }

  /** @param {Streams} streams */
  follow(streams) {
    for (const [name, source] of this.#streams) if (!streams.has(name)) this.#linger(name, source);
    for (const name of streams.keys()) this.#forget(name);
    this.#streams = streams;
    this.#replan();
    this.#show();
  }

  stop() {
    const { session } = this.state;
    clearInterval(this.#looking);
    for (const name of [...this.#lingering.keys()]) this.#forget(name);
    this.#session.dispatch({ type: "stop" });
    for (const detach of this.#detach) detach();
    this.#peers.end();
    if (session) this.#unwatch(session);
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

  /** @returns {View[]} */
  views() {
    const names = this.#wanted === "all" ? [...this.#streams.keys(), ...this.#lingering.keys()] : this.#wanted;
    const shown = names.filter((name) => !this.#except(this.#source(name) ?? nobody(name)));
    return shown.map((name) => this.#view(name));
  }

  /**
   * @param {string} name
   * @param {Stream} source
   */
  #linger(name, source) {
    const timer = setTimeout(() => {
      this.#lingering.delete(name);
      this.#show();
    }, LINGER_MS);
    this.#lingering.set(name, { source, timer });
  }

  /** @param {string} name */
  #forget(name) {
    clearTimeout(this.#lingering.get(name)?.timer);
    this.#lingering.delete(name);
  }

  /** @param {string} name */
  #source(name) {
    return this.#streams.get(name) ?? this.#lingering.get(name)?.source ?? null;
  }

  /** @param {Welcome} welcome */
  #welcome(welcome) {
    const { session } = this.state;
    this.#session.dispatch({ type: "link_up", lives: session !== null && welcome.sessions.includes(session) });
  }

  /** @param {ServerEvent} event */
  #receive(event) {
    switch (event.type) {
      case "slot_changed":
        for (const peer of [this.#peers.newest, this.#peers.carrying]) {
          if (peer?.session === event.session) peer.slots.set(event.slot.mid, event.slot);
        }
        return this.#show();
      case "session_lost":
      case "move":
        if (event.session !== this.state.session) return;
        this.#session.dispatch(event.type === "move" ? { type: "moved" } : { type: "lost", reason: event.reason });
    }
  }

  /** Says what changed, when something did. */
  #replan() {
    const wanted = wantedSeats(this.#streams, this.#wanted, this.#except);
    const peer = this.#peers.newest;
    if (!peer || this.state.phase === "waiting" || this.state.phase === "refused") {
      if (wanted.length > 0) this.#session.dispatch({ type: "start" });
      return;
    }
    const plan = planSeats(peer.seats, wanted);
    this.#over = plan.over;
    if (plan.seats !== peer.seats) this.#session.dispatch({ type: "changed" });
  }

  /**
   * @param {OfferKind} kind
   * @param {string | null} session
   */
  async #negotiate(kind, session) {
    if (kind === "fresh") this.#peers.begin(new WatchingPeer(this.#iceServers(), (peer, state) => this.#peerSaid(peer, state)));
    const peer = this.#peers.newest;
    if (!peer) throw new Error("the peer connection is gone");
    this.#seat(peer);
    const ask = (/** @type {string} */ sdp) => this.#ask(peer, sdp, session);
    const answer = await peer.exchange({ iceRestart: kind === "restart" }, ask);
    peer.slots = new Map((answer.slots ?? []).map((slot) => [slot.mid, slot]));
    this.#show();
    return answer.session;
  }

  /** @param {WatchingPeer} peer */
  #seat(peer) {
    const plan = planSeats(peer.seats, wantedSeats(this.#streams, this.#wanted, this.#except));
    this.#over = plan.over;
    peer.seats = plan.seats;
    for (const { kind } of plan.seats.slice(peer.transceivers.length)) {
      peer.transceivers.push(peer.pc.addTransceiver(kind, { direction: "recvonly" }));
    }
  }

  /**
   * @param {WatchingPeer} peer
   * @param {string} sdp
   * @param {string | null} session
   * @returns {Promise<Answer>}
   */
  #ask(peer, sdp, session) {
    const slots = peer.seats.map(({ stream, track }, place) => ({ mid: peer.transceivers[place]?.mid, stream, track }));
    return this.#link.request("watch", { sdp, slots, session: session ?? undefined });
  }

  /**
   * @param {Peer} peer
   * @param {RTCPeerConnectionState} state
   */
  #peerSaid(peer, state) {
    if (peer === this.#peers.newest) this.#session.dispatch({ type: "peer", peer: state });
  }

  /** @param {SessionState} state */
  #changed(state) {
    if (state.phase === "live") {
      const old = this.#peers.complete();
      if (old) this.#unwatch(old);
    }
    if (state.phase === "refused") this.#peers.end();
    this.emit("state", state);
    this.#show();
  }

  /** @param {string} session */
  #unwatch(session) {
    // Best effort: without it the server notices by itself.
    this.#link.request("unwatch", { session }).catch(() => {});
  }

  #show() {
    const views = this.views();
    const names = new Set(views.map((v) => v.stream));
    for (const name of this.#mediaStreams.keys()) if (!names.has(name)) this.#mediaStreams.delete(name);
    this.emit("views", views);
  }

  /**
   * @param {string} name
   * @returns {View}
   */
  #view(name) {
    const mediaStream = this.#mediaStreams.get(name) ?? new MediaStream();
    this.#mediaStreams.set(name, mediaStream);
    const peer = this.#peers.carrying;
    /** @type {ViewTrack[]} */
    const tracks = [];
    /** @type {Set<MediaStreamTrack>} */
    const media = new Set();
    peer?.seats.forEach((seat, place) => {
      const transceiver = peer.transceivers[place];
      const slot = peer.slots.get(transceiver?.mid ?? "");
      if (seat.stream !== name || !transceiver || slot?.stream !== name) return;
      tracks.push({ kind: seat.kind, mid: slot.mid, state: slot.state, message: slot.message });
      if (slot.state !== "unsupported") media.add(transceiver.receiver.track);
    });
    for (const track of media) if (!mediaStream.getTracks().includes(track)) mediaStream.addTrack(track);
    for (const track of mediaStream.getTracks()) if (!media.has(track)) mediaStream.removeTrack(track);
    return { stream: name, source: this.#source(name), mediaStream, tracks, over: this.#over.includes(name) };
  }

  /** Asks for another path when media that the server says it sends does not arrive. */
  async #look() {
    const peer = this.#peers.newest;
    if (!peer || this.state.phase !== "live") {
      this.#arrival = null;
      return;
    }
    let packets = 0;
    for (const entry of (await peer.pc.getStats()).values()) if (entry.type === "inbound-rtp") packets += entry.packetsReceived;
    this.#arrival = updateArrival(this.#arrival, { packets, nowMs: performance.now(), expected: this.#expectsMedia(peer) });
    if (!this.#arrival.stalled) return;
    this.#arrival = null;
    this.#session.dispatch({ type: "stalled" });
  }

  /** @param {WatchingPeer} peer */
  #expectsMedia(peer) {
    return [...peer.slots.values()].some((slot) => {
      if (slot.state !== "live") return false;
      const tracks = this.#streams.get(slot.stream)?.tracks ?? [];
      return tracks.some((t) => (t.kind === slot.track || t.mid === slot.track) && t.active && !t.muted);
    });
  }
}

/**
 * @param {string} stream
 * @returns {Stream}
 */
function nobody(stream) {
  return { stream, publisher: null, name: null, since_ms: 0, tracks: [] };
}
