// Owns the one peer connection of everything a page watches. Never decides what is worth watching.

/** @import { Connection } from "../connection.js" */
/** @import { Answer, Kind, ServerEvent, SlotState, Stream, Welcome } from "../protocol.js" */
/** @import { OfferKind } from "../session.js" */
/** @import { SessionState } from "../state/session.js" */
/** @import { Wanted } from "../state/slots.js" */
/** @import { Arriving } from "../state/motion.js" */
/** @import { Arrival } from "../state/stall.js" */
/** @import { Statistics } from "../stats.js" */
/** @import { Streams } from "../state/streams.js" */
/** @import { Terms } from "./peer.js" */

import { Emitter } from "../emitter.js";
import { RequestError } from "../protocol.js";
import { Session } from "../session.js";
import { VIEWER_SILENT_MS_MIN } from "../state/pulse.js";
import { NOTHING, holdsSession } from "../state/session.js";
import { planSubscriptions, wantedSubscriptions } from "../state/slots.js";
import { updateArrival } from "../state/stall.js";
import { absent, noStreams } from "../state/streams.js";
import { summarize } from "../stats.js";
import { pageCertificate } from "./certificate.js";
import { Handover } from "./handover.js";
import { Heartbeat } from "./heartbeat.js";
import { Lingering } from "./lingering.js";
import { Motions } from "./motions.js";
import { ALIVE_MS, Peer } from "./peer.js";
import { Tiles } from "./tiles.js";
import { WatchingPeer } from "./watching.js";

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
 * @property {Arriving} arriving whether what is shown of it moves
 */

const LOOK_EVERY_MS = 250;
/** Between two looks for the first pictures of a new peer connection, while nothing is shown and while the old ones go on. */
const FIRST_EVERY_MS = 30;
const EVEN_EVERY_MS = 60;
/** Until they are not waited for any more. */
const FIRST_MS_MAX = 5000;

/** @extends {Emitter<{state: SessionState, views: View[]}>} */
export class Watcher extends Emitter {
  #link;
  #terms;
  /** @type {Wanted} */
  #wanted = [];
  /** @type {(stream: Stream) => boolean} */
  #except = () => false;
  /** @type {Streams} */
  #streams = noStreams;
  #lingering = new Lingering(() => this.#show());
  /** @type {Handover<WatchingPeer>} */
  #peers = new Handover((session) => this.#unwatch(session));
  #session = new Session({ negotiate: (kind, asked, withinMs) => this.#negotiate(kind, asked, withinMs), ready: () => pageCertificate.ready() });
  /** @type {Map<string, MediaStream>} */
  #mediaStreams = new Map();
  /** @type {WatchingPeer | null} whose first pictures are waited for */
  #replacing = null;
  /** @type {string[]} */
  #over = [];
  /** @type {Arrival | null} */
  #arrival = null;
  #motions = new Motions();
  /** How the page shows what it watches. */
  tiles = new Tiles((session, tiles) => this.#link.request("view", { session, tiles }));
  /** @type {Statistics | null} */
  #statistics = null;
  #looking = setInterval(() => void this.#look(), LOOK_EVERY_MS);
  #heartbeat = new Heartbeat({
    subject: () => (this.#peers.carrying?.aliveMs ? this.#connected() : null),
    silentMsMin: VIEWER_SILENT_MS_MIN,
    onLate: () => this.#link.suspect(),
    onSilent: (peer) => this.#stalled(peer),
  });
  /** @type {(() => void)[]} */
  #detach;

  /**
   * @param {Connection} link
   * @param {() => Terms} terms
   */
  constructor(link, terms) {
    super();
    this.#link = link;
    this.#terms = terms;
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

  /** Nothing is missing that could be there: null when nothing is watched. */
  get flows() {
    if (!this.#peers.carrying) return null;
    const peer = this.#connected();
    return peer !== null && (this.#heartbeat.beats || peer.aliveMs === 0);
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
    for (const [name, source] of this.#streams) if (!streams.has(name)) this.#lingering.add(source);
    for (const name of streams.keys()) this.#lingering.forget(name);
    this.#streams = streams;
    this.#replan();
    this.#show();
  }

  stop() {
    clearInterval(this.#looking);
    this.tiles.end();
    this.#heartbeat.end();
    for (const name of this.#lingering.names()) this.#lingering.forget(name);
    this.#session.dispatch({ type: "stop" });
    for (const detach of this.#detach) detach();
    this.#endPeers();
  }

  #endPeers() {
    for (const session of this.#peers.held()) this.#unwatch(session);
    this.#peers.close();
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
    return this.#names().map((name) => this.#view(name));
  }

  #names() {
    const names = this.#wanted === "all" ? [...this.#streams.keys(), ...this.#lingering.names()] : this.#wanted;
    return names.filter((name) => !this.#except(this.#source(name) ?? absent(name)));
  }

  /** @param {string} name */
  #source(name) {
    return this.#streams.get(name) ?? this.#lingering.source(name);
  }

  /** @param {Welcome} welcome */
  #welcome(welcome) {
    const { session, old } = this.state;
    if (old !== null && !welcome.sessions.includes(old)) this.#session.dispatch({ type: "old_ended" });
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
      case "move":
        return event.session === this.state.session ? this.#session.dispatch({ type: "moved" }) : undefined;
      case "session_lost":
        if (event.session === this.state.old) this.#session.dispatch({ type: "old_ended", reason: event.reason });
        if (event.session === this.state.session) this.#session.dispatch({ type: "lost", reason: event.reason });
    }
  }

  /** Also those that just left are wanted: they will be back on the same m-lines. */
  #wantedSubscriptions() {
    const lingering = this.#lingering.names().flatMap((name) => this.#lingering.source(name) ?? []);
    const streams = new Map([...lingering.map((s) => /** @type {const} */ ([s.stream, s])), ...this.#streams]);
    return wantedSubscriptions(streams, this.#wanted, this.#except);
  }

  /** Says what changed, when something did. */
  #replan() {
    const wanted = this.#wantedSubscriptions();
    const peer = this.#peers.newest;
    if (!peer || ["idle", "waiting", "refused"].includes(this.state.phase)) {
      if (wanted.length > 0) this.#session.dispatch({ type: "start" });
      return;
    }
    const plan = planSubscriptions(peer.subscriptions, wanted);
    this.#over = plan.over;
    if (plan.subscriptions !== peer.subscriptions) this.#session.dispatch({ type: "changed" });
  }

  /**
   * @param {OfferKind} kind
   * @param {SessionState} asked
   * @param {number} withinMs
   */
  async #negotiate(kind, asked, withinMs) {
    const wanted = this.#wantedSubscriptions();
    if (kind === "fresh" && wanted.length === 0) throw new RequestError(NOTHING, "There is nothing to watch.");
    if (kind === "fresh") this.#peers.begin(new WatchingPeer(this.#terms().iceServers, (peer, state) => this.#peerSaid(peer, state)));
    const peer = this.#peers.newest;
    if (!peer) throw new Error("the peer connection is gone");
    const plan = planSubscriptions(peer.subscriptions, wanted);
    this.#over = plan.over;
    peer.subscribe(plan.subscriptions, this.#streams);
    const session = kind === "fresh" ? { instead_of: asked.old ?? undefined, alive_ms: ALIVE_MS } : { session: asked.session ?? undefined };
    const answer = await peer.exchange({ iceRestart: kind === "restart" }, (sdp) => this.#ask(peer, { sdp, ...session }, withinMs));
    peer.slots = new Map((answer.slots ?? []).map((slot) => [slot.mid, slot]));
    this.#show();
    return answer.session;
  }

  /**
   * @param {WatchingPeer} peer
   * @param {Record<string, unknown>} fields
   * @param {number} withinMs
   * @returns {Promise<Answer>}
   */
  async #ask(peer, fields, withinMs) {
    const slots = peer.subscriptions.map(({ stream, track }, place) => ({ mid: peer.transceivers[place]?.mid, stream, track }));
    const answer = await this.#link.request("watch", { ...fields, slots }, withinMs);
    if (peer.closed) this.#unwatch(answer.session);
    return answer;
  }

  /**
   * @param {Peer} peer
   * @param {RTCPeerConnectionState} state
   */
  #peerSaid(peer, state) {
    if (state === "disconnected" || state === "failed") this.#link.check();
    if (peer === this.#peers.newest) this.#session.dispatch({ type: "peer", peer: state });
    else if (state === "failed") this.#session.dispatch({ type: "old_ended" });
  }

  /** @param {SessionState} state */
  #changed(state) {
    const { newest, retiring } = this.#peers;
    if (state.phase === "live" && newest) {
      if (retiring) void this.#replace(newest);
      else this.#carries();
    }
    if (state.phase === "refused" || state.phase === "idle") this.#endPeers();
    this.emit("state", state);
    this.#show();
  }

  /**
   * Shows each stream from the new peer connection as soon as its first picture is there, then ends the old one.
   * @param {WatchingPeer} peer
   */
  async #replace(peer) {
    if (this.#replacing === peer) return;
    this.#replacing = peer;
    const endMs = performance.now() + FIRST_MS_MAX;
    const goesOn = () => peer === this.#peers.newest && holdsSession(this.state) && this.state.session === peer.session;
    for (;;) {
      const expected = this.#expected();
      const { oldFlows } = this.state;
      const oldStands = !oldFlows || (await this.#peers.retiring?.stands().catch(() => false));
      const more = await peer.lookForFirst(expected, !oldStands).catch(() => false);
      if (!goesOn()) break;
      if (more) this.#show();
      if (performance.now() > endMs || [...expected.keys()].every((name) => peer.ready.has(name))) break;
      await new Promise((done) => setTimeout(done, oldFlows ? EVEN_EVERY_MS : FIRST_EVERY_MS));
    }
    this.#replacing = null;
    if (goesOn()) this.#carries();
  }

  #carries() {
    this.#peers.complete();
    this.#session.dispatch({ type: "carries" });
    this.#show();
  }

  /** What the watched streams should show by now, even those that left a moment ago and will be back. */
  #expected() {
    const flowing = (/** @type {Stream | null} */ source, /** @type {Kind} */ kind) =>
      source?.tracks.some((t) => t.kind === kind && t.active && !t.muted) ?? false;
    return new Map(this.#names().map((name) => {
      const source = this.#source(name);
      return [name, { video: flowing(source, "video") && !this.tiles.hides(name), audio: flowing(source, "audio") }];
    }));
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
    this.tiles.follow([this.#peers.newest, this.#peers.carrying]);
    this.emit("views", views);
  }

  /**
   * @param {string} name
   * @returns {View}
   */
  #view(name) {
    const mediaStream = this.#mediaStreams.get(name) ?? new MediaStream();
    this.#mediaStreams.set(name, mediaStream);
    /** @type {ViewTrack[]} */
    const tracks = [];
    /** @type {Set<MediaStreamTrack>} */
    const media = new Set();
    for (const { kind, slot, track } of this.#peerOf(name)?.shows(name) ?? []) {
      tracks.push({ kind, mid: slot.mid, state: slot.state, message: slot.message });
      if (slot.state !== "unsupported") media.add(track);
    }
    // In this order: of two pictures Firefox goes on painting the first, and stands still for good once that is removed.
    for (const track of mediaStream.getTracks()) if (!media.has(track)) mediaStream.removeTrack(track);
    for (const track of media) if (!mediaStream.getTracks().includes(track)) mediaStream.addTrack(track);
    return { stream: name, source: this.#source(name), mediaStream, tracks, over: this.#over.includes(name), arriving: this.#motions.arriving(name) };
  }

  /**
   * The one that a stream is shown from.
   * @param {string} name
   */
  #peerOf(name) {
    const { newest, retiring } = this.#peers;
    if (!retiring || newest?.ready.has(name)) return newest;
    return retiring.shows(name).length > 0 ? retiring : newest;
  }

  #connected() {
    const { carrying } = this.#peers;
    return carrying?.pc.connectionState === "connected" ? carrying : null;
  }

  /** @param {Peer} peer */
  #stalled(peer) {
    peer.silent = true;
    this.#link.check();
    this.#session.dispatch({ type: peer === this.#peers.newest ? "stalled" : "old_ended" });
  }

  /** Asks for another session when media that the server says it sends does not arrive, although the path is well. */
  async #look() {
    const peer = this.#peers.newest;
    const counts = await peer?.counts().catch(() => null);
    if (peer !== this.#peers.newest) return;
    const seen = this.#names().filter((name) => !this.tiles.hides(name));
    const shown = seen.map((name) => ({ name, source: this.#source(name), peer: this.#peerOf(name) }));
    if (this.#motions.look(shown, { peer, frames: counts?.frames ?? new Map() })) this.#show();
    if (!peer || !counts || this.state.phase !== "live" || peer !== this.#peers.carrying) {
      this.#arrival = null;
      return;
    }
    const { packets } = counts;
    this.#arrival = updateArrival(this.#arrival, { packets, nowMs: performance.now(), expected: peer.expectsMedia(this.#streams, (name) => this.tiles.hides(name)) });
    if (!this.#arrival.stalled) return;
    this.#arrival = null;
    this.#stalled(peer);
  }
}
