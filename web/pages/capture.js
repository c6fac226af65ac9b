// Owns camera, microphone and screen: asking for them, listing them, giving them back. Never sends anything.

/** @import { Kind } from "../client/protocol.js" */
/** @import { CaptureEvent, CaptureState, Source } from "./state/capture.js" */
/** @import { Choice, Step } from "./state/sources.js" */

import { Emitter } from "../client/emitter.js";
import { initialCapture, updateCapture } from "./state/capture.js";
import { planSources } from "./state/sources.js";

/** @typedef {{cameras: MediaDeviceInfo[], microphones: MediaDeviceInfo[]}} Devices */

/** Errors of a device that cannot be opened beside one that is open already, as on phones. */
const IN_USE = new Set(["NotReadableError", "AbortError"]);
/** A source that is silent for less is not worth a word. */
const SILENT_MS_MIN = 1000;

/** @extends {Emitter<{state: CaptureState, devices: Devices}>} */
export class Capture extends Emitter {
  state = initialCapture;
  /** @type {MediaStream | null} what is on: another object after each change */
  mediaStream = null;
  /** @type {Choice | null} what is on, by the ids that the browser gave */
  choice = null;
  /** @type {Choice | null} what was asked for last */
  #wanted = null;

  constructor() {
    super();
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.#plugged());
    for (const name of ["camera", "microphone"]) void this.#followPermission(name);
  }

  /**
   * The old sources go on until the new ones are there, and stay when they do not come.
   * @param {Choice} wanted
   */
  async ask(wanted) {
    this.#wanted = wanted;
    this.#dispatch({ type: "ask", from: wanted.from });
    const { turn } = this.state;
    try {
      const tracks = await this.#open(wanted);
      if (turn !== this.state.turn) return stopTracks(tracks.filter((t) => !this.#has(t)));
      this.#take(tracks, wanted);
      this.#dispatch({ type: "got", turn, kinds: tracks.map((t) => /** @type {Kind} */ (t.kind)) });
    } catch (error) {
      this.#dispatch({ type: "failed", turn, problem: error instanceof Error ? error.name : String(error) });
    }
    await this.list();
  }

  /** The person has read of the last problem, and goes on. */
  accept() {
    this.#dispatch({ type: "accepted" });
  }

  stop() {
    stopTracks(this.mediaStream?.getTracks() ?? []);
    this.mediaStream = this.choice = null;
    this.#dispatch({ type: "stop" });
  }

  /** Tells the devices again; their names are known once one was allowed. */
  async list() {
    const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    const cameras = all.filter((d) => d.kind === "videoinput");
    const microphones = all.filter((d) => d.kind === "audioinput");
    this.emit("devices", { cameras, microphones });
    return cameras.length + microphones.length;
  }

  async #plugged() {
    if ((await this.list()) > 0) this.#causeIsGone("NotFoundError");
  }

  /**
   * A permission that is given in the browser's own menu.
   * @param {string} name
   */
  async #followPermission(name) {
    const status = await navigator.permissions?.query({ name: /** @type {PermissionName} */ (name) }).catch(() => null);
    status?.addEventListener("change", () => void (status.state === "granted" && this.#causeIsGone("NotAllowedError")));
  }

  /**
   * What kept a camera from being opened is over: it is asked for again, without a click.
   * @param {string} cause
   */
  #causeIsGone(cause) {
    const { phase, problem, asked } = this.state;
    if (phase === "failed" && problem === cause && asked === "camera" && this.#wanted) void this.ask(this.#wanted);
  }

  /** @param {Kind} kind */
  #track(kind) {
    return this.mediaStream?.getTracks().find((t) => t.kind === kind && t.readyState === "live");
  }

  /** @param {MediaStreamTrack} track */
  #has(track) {
    return this.mediaStream?.getTracks().includes(track) ?? false;
  }

  /**
   * @param {Choice} wanted
   * @returns {Promise<MediaStreamTrack[]>} those that are kept among them
   */
  async #open(wanted) {
    const [video, audio] = [this.#track("video"), this.#track("audio")];
    const steps = planSources(this.choice, wanted, { video: Boolean(video), audio: Boolean(audio) });
    const kept = [steps.video === "keep" && video, steps.audio === "keep" && audio].filter((t) => typeof t === "object");
    if (wanted.from === "screen" && steps.video === "open") return openScreen(wanted, steps.audio === "keep" ? audio : undefined);
    const resized = steps.video === "resize" && video !== undefined && (await resize(video, wanted));
    if (resized) kept.push(video);
    const opened = await this.#openDevices(wanted, { ...steps, video: steps.video === "resize" && !resized ? "open" : steps.video });
    return [...kept, ...opened];
  }

  /**
   * @param {Choice} wanted
   * @param {{video: Step, audio: Step}} steps
   */
  async #openDevices(wanted, steps) {
    try {
      return await openDevices(wanted, steps);
    } catch (error) {
      const old = this.#track("video");
      const { choice } = this;
      if (!old || !choice || choice.from !== "camera" || steps.video !== "open" || !(error instanceof Error && IN_USE.has(error.name))) throw error;
      // One camera at a time: the old one makes room, and is opened again if that did not help.
      old.stop();
      try {
        return await openDevices(wanted, steps);
      } catch (again) {
        const back = await openDevices(choice, { video: "open", audio: "none" }).catch(() => []);
        this.#take([...(this.mediaStream?.getAudioTracks() ?? []), ...back], choice);
        if (back.length === 0) this.#dispatch({ type: "lost", source: "camera" });
        throw again;
      }
    }
  }

  /**
   * @param {MediaStreamTrack[]} tracks
   * @param {Choice} wanted
   */
  #take(tracks, wanted) {
    const old = this.mediaStream?.getTracks() ?? [];
    this.mediaStream = new MediaStream(tracks);
    this.choice = { ...wanted, ...idsOf(tracks, wanted) };
    stopTracks(old.filter((track) => !tracks.includes(track)));
    for (const track of tracks.filter((t) => !old.includes(t))) {
      track.addEventListener("ended", () => this.#lost(track));
      track.addEventListener("mute", () => void setTimeout(() => this.#listen(), SILENT_MS_MIN));
      track.addEventListener("unmute", () => this.#listen());
    }
    this.#listen();
  }

  /** Some systems silence a camera or a microphone, as for a telephone call or by a switch of the keyboard. */
  #listen() {
    const silenced = this.mediaStream?.getTracks().filter((t) => t.muted && t.readyState === "live") ?? [];
    this.#dispatch({ type: "silenced", sources: silenced.map((t) => this.#sourceOf(t)) });
  }

  /**
   * @param {MediaStreamTrack} track
   * @returns {Source}
   */
  #sourceOf(track) {
    const video = track.kind === "video";
    if (fromScreen.has(track) || (video && this.choice?.from === "screen")) return "screen";
    return video ? "camera" : "microphone";
  }

  /** @param {MediaStreamTrack} track unplugged, or stopped by the browser's own button */
  #lost(track) {
    if (!this.mediaStream || !this.choice || !this.#has(track)) return;
    const video = track.kind === "video";
    const source = this.#sourceOf(track);
    this.mediaStream = new MediaStream(this.mediaStream.getTracks().filter((t) => t !== track));
    const from = video ? "camera" : this.choice.from;
    this.choice = { ...this.choice, from, ...(video ? { camera: "none" } : { microphone: "none" }) };
    this.#dispatch({ type: "lost", source });
    this.#listen();
    void this.list();
  }

  /** @param {CaptureEvent} event */
  #dispatch(event) {
    const before = this.state;
    this.state = updateCapture(before, event);
    if (this.state !== before) this.emit("state", this.state);
  }
}

/**
 * @param {MediaStreamTrack[]} tracks
 * @param {Choice} wanted
 */
function idsOf(tracks, wanted) {
  const id = (/** @type {string} */ kind) => tracks.find((t) => t.kind === kind)?.getSettings().deviceId;
  const camera = wanted.from === "screen" ? wanted.camera : (id("video") ?? "none");
  const audio = tracks.find((t) => t.kind === "audio");
  const microphone = !audio ? "none" : fromScreen.has(audio) ? "screen" : (id("audio") ?? "");
  return { camera, microphone };
}

/**
 * @param {Choice} wanted
 * @param {{video: Step, audio: Step}} steps
 * @returns {Promise<MediaStreamTrack[]>}
 */
async function openDevices(wanted, steps) {
  if (steps.video !== "open" && steps.audio !== "open") return [];
  if (!navigator.mediaDevices?.getUserMedia) throw namedError("insecure");
  const present = await navigator.mediaDevices.enumerateDevices();
  const wants = (/** @type {MediaDeviceKind} */ kind, /** @type {Step} */ step) => step === "open" && present.some((d) => d.kind === kind);
  const video = wants("videoinput", steps.video) && videoConstraints(wanted);
  const audio = wants("audioinput", steps.audio) && audioConstraints(wanted);
  if (!video && !audio) throw namedError("NotFoundError");
  return (await navigator.mediaDevices.getUserMedia({ video, audio })).getTracks();
}

/** @type {WeakSet<MediaStreamTrack>} sound that came with a shared screen */
const fromScreen = new WeakSet();

/**
 * @param {Choice} choice
 * @param {MediaStreamTrack | undefined} microphone one that is open already
 * @returns {Promise<MediaStreamTrack[]>}
 */
async function openScreen(choice, microphone) {
  if (!navigator.mediaDevices?.getDisplayMedia) throw namedError("insecure");
  const shared = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: 30 }, audio: true });
  for (const track of shared.getVideoTracks()) track.contentHint = "detail";
  for (const track of shared.getAudioTracks()) fromScreen.add(track);
  if (shared.getAudioTracks().length > 0 || choice.microphone === "none") return shared.getTracks();
  if (microphone) return [...shared.getTracks(), microphone];
  // No sound came with the screen: the microphone goes with it, if it may.
  const sound = await navigator.mediaDevices.getUserMedia({ audio: audioConstraints(choice) }).catch(() => null);
  return [...shared.getTracks(), ...(sound?.getTracks() ?? [])];
}

/**
 * The same camera with another picture. In Chromium a second stream of it would get the size that is open already.
 * @param {MediaStreamTrack} track
 * @param {Choice} choice
 * @returns {Promise<boolean>} false: it could give more lines, and has to be opened anew for that. Firefox says that it
 *   has changed some cameras, and leaves them as they are
 */
async function resize(track, { height }) {
  await track.applyConstraints(sizeConstraints(height));
  const able = track.getCapabilities?.().height?.max ?? 0;
  return (track.getSettings().height ?? height) >= Math.min(height, able);
}

/** @param {number} height */
function sizeConstraints(height) {
  return { height: { ideal: height }, width: { ideal: Math.round((height * 16) / 9) }, frameRate: { ideal: 30 } };
}

/**
 * @param {Choice} choice
 * @returns {MediaTrackConstraints}
 */
function videoConstraints({ camera: id, height }) {
  return { ...(id && id !== "none" && { deviceId: { exact: id } }), ...sizeConstraints(height) };
}

/**
 * @param {Choice} choice
 * @returns {MediaTrackConstraints}
 */
function audioConstraints({ microphone: id }) {
  return { ...(id && id !== "screen" && { deviceId: { exact: id } }), echoCancellation: true, noiseSuppression: true };
}

/** @param {string} name */
function namedError(name) {
  const error = new Error(name);
  error.name = name;
  return error;
}

/** @param {MediaStreamTrack[]} tracks */
function stopTracks(tracks) {
  for (const track of tracks) track.stop();
}
