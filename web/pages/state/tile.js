// Owns what one tile of the watch page says. Never draws.

/** @import { View } from "../../client/media/watcher.js" */

/** @typedef {"playing" | "starting" | "sound" | "off" | "quiet" | "gone" | "broken" | "unsupported" | "over"} Face */
/** @typedef {{face: Face, message: string, icon: string, soundMuted: boolean}} TileState */

/**
 * @param {Pick<View, "source" | "tracks" | "over" | "arriving">} view
 * @param {{pictured: boolean, wasLive: boolean}} past a frame was shown since the picture last began; this page has
 *   seen the stream live
 * @returns {TileState}
 */
export function tileState(view, { pictured, wasLive }) {
  const tracks = view.source?.tracks ?? [];
  const video = tracks.find((t) => t.kind === "video");
  const soundMuted = tracks.some((t) => t.kind === "audio" && t.muted);
  const unsupported = view.tracks.find((t) => t.state === "unsupported");
  const says = (/** @type {Face} */ face, /** @type {string} */ message = "", icon = "") => ({ face, message, icon, soundMuted });

  if (view.over) return says("over", "This page shows as many streams as it can. Open this one by itself.", "alert");
  if (!view.source && wasLive) return says("gone", "This stream has ended. Should it come back, it starts here by itself.", "cameraOff");
  if (!view.source) return says("gone", "Not live yet. It starts here by itself.", "cameraOff");
  if (view.arriving === "cut") return says("broken", "The connection to the server is broken. Trying again…", "wait");
  if (unsupported) return says("unsupported", unsupported.message ?? `This browser cannot play ${video?.codec ?? "this codec"}.`, "alert");
  if (!video) return says("sound", "Sound only", "sound");
  if (video.muted) return says("off", "Camera is off", "cameraOff");
  if (!pictured) return says("starting", "Starting…", "wait");
  if (view.arriving === "standing") return says("quiet", "No new picture arrives right now", "wait");
  return says("playing");
}
