// Owns camera, microphone and screen: asking for them, listing them, giving them back. Never sends anything.

/** @import { CaptureEvent, CaptureState } from "./state/capture.js" */
/** @import { From } from "./words.js" */

import { Emitter } from "../client/emitter.js";
import { initialCapture, updateCapture } from "./state/capture.js";

/**
 * Device ids; empty is the browser's choice, `none` is none.
 * @typedef {{from: From, camera: string, microphone: string, height: number}} Choice
 */

/** @typedef {{cameras: MediaDeviceInfo[], microphones: MediaDeviceInfo[]}} Devices */

/** @extends {Emitter<{state: CaptureState, devices: Devices}>} */
export class Capture extends Emitter {
  state = initialCapture;
  /** @type {MediaStream | null} */
  mediaStream = null;

  constructor() {
    super();
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.list());
  }

  /** @param {Choice} choice */
  async ask(choice) {
    this.#dispatch({ type: "ask", from: choice.from });
    const { turn } = this.state;
    try {
      const mediaStream = choice.from === "screen" ? await screen(choice) : await camera(choice);
      if (turn !== this.state.turn) return stopTracks(mediaStream);
      this.#take(mediaStream);
      this.#dispatch({ type: "got", turn });
    } catch (error) {
      const problem = error instanceof Error ? error.name : String(error);
      this.#dispatch({ type: "failed", turn, problem });
    }
    await this.list();
  }

  stop() {
    this.#take(null);
    this.#dispatch({ type: "stop" });
  }

  /** Tells the devices again; their names are known once one was allowed. */
  async list() {
    const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    this.emit("devices", {
      cameras: all.filter((d) => d.kind === "videoinput"),
      microphones: all.filter((d) => d.kind === "audioinput"),
    });
  }

  /** @param {MediaStream | null} mediaStream */
  #take(mediaStream) {
    const old = this.mediaStream;
    this.mediaStream = mediaStream;
    if (old) stopTracks(old);
    for (const track of mediaStream?.getVideoTracks() ?? []) {
      track.addEventListener("ended", () => this.mediaStream === mediaStream && this.#dispatch({ type: "ended" }));
    }
  }

  /** @param {CaptureEvent} event */
  #dispatch(event) {
    const before = this.state;
    this.state = updateCapture(before, event);
    if (this.state !== before) this.emit("state", this.state);
  }
}

/** @param {Choice} choice */
async function camera(choice) {
  if (!navigator.mediaDevices?.getUserMedia) throw namedError("insecure");
  const present = await navigator.mediaDevices.enumerateDevices();
  const wants = (/** @type {MediaDeviceKind} */ kind, /** @type {string} */ id) => id !== "none" && present.some((d) => d.kind === kind);
  const video = wants("videoinput", choice.camera) && videoConstraints(choice);
  const audio = wants("audioinput", choice.microphone) && audioConstraints(choice);
  if (!video && !audio) throw namedError("NotFoundError");
  return navigator.mediaDevices.getUserMedia({ video, audio });
}

/** @param {Choice} choice */
async function screen(choice) {
  if (!navigator.mediaDevices?.getDisplayMedia) throw namedError("insecure");
  const shared = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: 30 }, audio: true });
  for (const track of shared.getVideoTracks()) track.contentHint = "detail";
  if (shared.getAudioTracks().length > 0 || choice.microphone === "none") return shared;
  // No sound came with the screen: the microphone goes with it, if it may.
  const sound = await navigator.mediaDevices.getUserMedia({ audio: audioConstraints(choice) }).catch(() => null);
  return new MediaStream([...shared.getTracks(), ...(sound?.getTracks() ?? [])]);
}

/**
 * @param {Choice} choice
 * @returns {MediaTrackConstraints}
 */
function videoConstraints({ camera: id, height }) {
  return {
    ...(id && { deviceId: { exact: id } }),
    height: { ideal: height },
    width: { ideal: Math.round((height * 16) / 9) },
    frameRate: { ideal: 30 },
  };
}

/**
 * @param {Choice} choice
 * @returns {MediaTrackConstraints}
 */
function audioConstraints({ microphone: id }) {
  return { ...(id && { deviceId: { exact: id } }), echoCancellation: true, noiseSuppression: true };
}

/** @param {string} name */
function namedError(name) {
  const error = new Error(name);
  error.name = name;
  return error;
}

/** @param {MediaStream} mediaStream */
function stopTracks(mediaStream) {
  for (const track of mediaStream.getTracks()) track.stop();
}
