// Owns what one tile of the watch page says. Never draws.

/** @import { View } from "../../client/media/watcher.js" */

/** @typedef {"playing" | "starting" | "sound" | "off" | "quiet" | "gone" | "unsupported" | "over"} Face */
/** @typedef {{face: Face, message: string, icon: string, soundMuted: boolean}} TileState */

/**
 * @param {Pick<View, "source" | "tracks" | "over">} view
 * @param {boolean} pictured a frame was shown since the picture last began
 * @returns {TileState}
 */
export function tileState(view, pictured) {
  const tracks = view.source?.tracks ?? [];
  const video = tracks.find((t) => t.kind === "video");
  const soundMuted = tracks.some((t) => t.kind === "audio" && t.muted);
  const unsupported = view.tracks.find((t) => t.state === "unsupported");
  const says = (/** @type {Face} */ face, /** @type {string} */ message = "", icon = "") => ({ face, message, icon, soundMuted });

  if (view.over) return says("over", "This page shows as many streams as it can. Open this one by itself.", "alert");
  if (!view.source) return says("gone", "Not live right now. It comes back by itself.", "cameraOff");
  if (unsupported) return says("unsupported", unsupported.message ?? `This browser cannot play ${video?.codec ?? "this codec"}.`, "alert");
  if (!video) return says("sound", "Sound only", "sound");
  if (video.muted) return says("off", "Camera is off", "cameraOff");
  if (!pictured) return says("starting", "Starting…", "wait");
  if (!video.active) return says("quiet", "No picture arrives right now", "wait");
  return says("playing");
}
