// What a publisher tells the server of its sessions, with peer connections and a link that the test plays.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

/** @import { Connection } from "../client/connection.js" */

import { Emitter } from "../client/emitter.js";
import { Publisher } from "../client/media/publisher.js";
import { install, settle } from "./clock.mjs";

/** @type {FakePeer[]} */
let peers = [];

beforeEach(() => {
  peers = [];
  install();
  Object.assign(globalThis, { RTCPeerConnection: FakePeer });
});

/** The browser's part: it connects when the test says so. */
class FakePeer {
  connectionState = "new";
  signalingState = "stable";
  localDescription = { sdp: "offer" };
  /** @type {any} */ onconnectionstatechange = null;
  /** @type {any[]} */
  #transceivers = [];
  constructor() {
    peers.push(this);
  }
  /** @param {string} state */
  becomes(state) {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
  /** @param {any} track */
  addTransceiver(track) {
    this.#transceivers.push({ mid: "0", receiver: { track: { kind: track.kind } }, sender: {} });
  }
  getTransceivers() {
    return this.#transceivers;
  }
  async createOffer() {}
  async setLocalDescription() {}
  async setRemoteDescription() {}
  async getStats() {
    return new Map();
  }
  close() {
    this.connectionState = "closed";
  }
}

/**
 * The server's part: it answers each offer with a session of its own, and notes what it is told.
 * @extends {Emitter<{event: Record<string, unknown>}>}
 */
class FakeLink extends Emitter {
  /** @type {string[]} */
  sessions = [];
  /** @type {string[]} */
  unpublished = [];
  /** @type {boolean[]} */
  muted = [];
  suspect() {}
  check() {}
  /**
   * @param {string} type
   * @param {{session?: string, muted?: boolean}} [fields]
   */
  async request(type, { session = "", muted = false } = {}) {
    if (type === "mute") this.muted.push(muted);
    if (type === "unpublish") this.unpublished.push(session);
    if (type !== "publish") return {};
    this.sessions.push(`session-${this.sessions.length}`);
    return { session: this.sessions.at(-1), sdp: "answer" };
  }
}

test("a stream that is taken over leaves no session behind, also none that was answered in its place", async () => {
  const link = new FakeLink();
  const track = { kind: "audio", enabled: true, muted: false, addEventListener() {} };
  const media = /** @type {any} */ ({ getTracks: () => [track] });
  const publisher = new Publisher(/** @type {Connection} */ (/** @type {unknown} */ (link)), "cam", media, {}, () => ({ iceServers: [] }));
  publisher.start();
  await settle();
  peers[0]?.becomes("connected");
  peers[0]?.becomes("failed");
  await settle();
  await settle();
  assert.deepEqual([publisher.state.phase, publisher.state.old, link.sessions.length], ["connecting", "session-0", 2]);
  link.emit("event", { type: "session_lost", session: "session-0", reason: "taken_over" });
  assert.equal(publisher.state.phase, "refused");
  assert.ok(link.unpublished.includes("session-1"), `told of ${link.unpublished}`);
  assert.deepEqual(peers.map((peer) => peer.connectionState), ["closed", "closed"]);
});

test("what an operator muted is told, and one's own state is told again when that is taken back", async () => {
  const link = new FakeLink();
  const track = { kind: "audio", enabled: true, muted: false, addEventListener() {} };
  const media = /** @type {any} */ ({ getTracks: () => [track] });
  const publisher = new Publisher(/** @type {Connection} */ (/** @type {unknown} */ (link)), "cam", media, {}, () => ({ iceServers: [] }));
  /** @type {string[][]} */
  const told = [];
  publisher.on("moderated", (kinds) => told.push([...kinds]));
  publisher.start();
  await settle();
  peers[0]?.becomes("connected");
  /** @type {(stream: string, moderated: boolean) => void} */
  const changed = (stream, moderated) => {
    const sound = { mid: "0", kind: "audio", codec: "opus", active: true, muted: moderated, ...(moderated && { moderated }) };
    link.emit("event", { type: "stream_changed", stream: { stream, publisher: "me", name: null, since_ms: 0, tracks: [sound] } });
  };
  changed("other", true);
  changed("cam", true);
  changed("cam", true);
  link.emit("event", { type: "stream_removed", stream: "cam" });
  assert.deepEqual([told, publisher.sends.audio, [...publisher.moderated]], [[["audio"]], false, ["audio"]]);
  const before = link.muted.length;
  changed("cam", false);
  await settle();
  assert.deepEqual([told.at(-1), publisher.sends.audio, link.muted.slice(before)], [[], true, [false]]);
});
