// Owns how numbers and problems are said to a person. Never shows them.

/** @import { LinkState, Problem } from "../client/state/link.js" */
/** @import { Statistics, TrackStatistics } from "../client/stats.js" */
/** @import { RequestError } from "../client/protocol.js" */

/** @typedef {"camera" | "screen"} From */

/** @param {number} bitsPerSecond */
export function bitrateText(bitsPerSecond) {
  if (bitsPerSecond >= 1e6) return `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`;
  return `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
}

/** @param {TrackStatistics | undefined} video */
export function pictureText(video) {
  return video && video.width > 0 ? `${video.width} × ${video.height}` : "–";
}

/** @param {Statistics | null} statistics */
export function roundTripText(statistics) {
  const ms = statistics?.roundTripMs;
  if (ms === null || ms === undefined) return "–";
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

/** @param {LinkState} link */
export function linkText(link) {
  switch (link.phase) {
    case "open":
      return "Connected";
    case "closed":
      return "Not connected";
    case "waiting":
      return "Reconnecting…";
    default:
      return link.error ? "Reconnecting…" : "Connecting…";
  }
}

/**
 * What getUserMedia or getDisplayMedia refused, by the name of its error.
 * @param {string} name
 * @param {From} from
 * @returns {{title: string, text: string}}
 */
export function deviceProblem(name, from) {
  if (from === "screen") return screenProblem(name);
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return {
        title: "The camera is not allowed.",
        text: "Allow camera and microphone for this page (the icon beside the address), then try again.",
      };
    case "NotFoundError":
      return { title: "No camera or microphone was found.", text: "Plug one in, or send your screen instead." };
    case "NotReadableError":
    case "AbortError":
      return { title: "The camera is in use.", text: "Another program or tab holds it. Close that, then try again." };
    case "OverconstrainedError":
      return { title: "That camera is gone.", text: "Choose another one from the list." };
    case "insecure":
      return {
        title: "The camera needs a secure address.",
        text: "Browsers give it only to https:// pages and to localhost. Open this page that way.",
      };
    default:
      return { title: "The camera could not be started.", text: `The browser said: ${name}.` };
  }
}

/** @param {string} name */
function screenProblem(name) {
  if (name === "NotAllowedError") return { title: "No screen was chosen.", text: "Choose a screen, window or tab to send." };
  if (name === "insecure") {
    return { title: "This browser cannot send its screen.", text: "It may lack the ability, or the page needs an https:// address." };
  }
  return { title: "The screen could not be captured.", text: `The browser said: ${name}.` };
}

/**
 * @param {Problem} problem
 * @param {string} stream
 * @returns {{title: string, text: string}}
 */
export function broadcastProblem(problem, stream) {
  switch (problem.code) {
    case "stream_exists":
      return { title: `Somebody is live as “${stream}” already.`, text: "Choose another stream name. One that is not heard any more is free after a few seconds." };
    case "taken_over":
      return { title: "Somebody took this stream name over.", text: "Your camera is still on. Choose another name to go live again." };
    case "no_codec":
      return { title: "The server cannot forward this codec.", text: problem.message };
    case "unauthorized":
      return { title: "You may not publish here.", text: problem.message };
    case "unavailable":
      return { title: "The server has no room right now.", text: "It is asked again by itself." };
    default:
      return { title: "Going live did not work.", text: problem.message };
  }
}

/** @param {{member: string, name?: string | null}} person */
export function personText({ member, name }) {
  return name || `Guest ${member.slice(0, 4)}`;
}

/** @param {number} count */
export function peopleText(count) {
  return count === 1 ? "1 person here" : `${count} people here`;
}

/** @param {string[]} names of those who type */
export function typingText(names) {
  const [one, other] = names;
  if (one === undefined) return "";
  if (other === undefined) return `${one} is typing…`;
  return names.length === 2 ? `${one} and ${other} are typing…` : "Several people are typing…";
}

/** @param {number | null} lost */
export function gapText(lost) {
  if (lost === null) return "Some messages were lost";
  return lost === 1 ? "1 message was lost" : `${lost} messages were lost`;
}

/** @param {RequestError} error why something was not said */
export function sayProblem({ code, message, retryAfterMs }) {
  switch (code) {
    case "too_many":
      return `That was too fast. Try again in ${Math.max(1, Math.ceil((retryAfterMs ?? 1000) / 1000))} s.`;
    case "disconnected":
    case "timeout":
      return "Not sent: the server is not reachable right now. Try again.";
    default:
      return `Not sent. ${message}`;
  }
}
