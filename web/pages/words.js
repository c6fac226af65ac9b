// Owns how numbers and problems are said to a person. Never shows them.

/** @import { LinkState, Problem } from "../client/state/link.js" */
/** @import { Moderated } from "../client/state/moderated.js" */
/** @import { Source } from "./state/capture.js" */
/** @import { Stream } from "../client/protocol.js" */
/** @import { Statistics, TrackStatistics } from "../client/stats.js" */
/** @import { RequestError } from "../client/protocol.js" */

import { titleOf } from "./state/title.js";

/** @typedef {"camera" | "screen"} From */

/** @param {number} bitsPerSecond */
export function bitrateText(bitsPerSecond) {
  if (bitsPerSecond <= 0) return "–";
  if (bitsPerSecond >= 1e6) return `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`;
  return `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
}

/** @param {TrackStatistics | undefined} video */
export function pictureText(video) {
  return video && video.width > 0 && video.bitrate > 0 ? `${video.width} × ${video.height}` : "–";
}

/** @param {TrackStatistics | undefined} video */
export function frameRateText(video) {
  return video && video.bitrate > 0 ? `${Math.round(video.fps)} fps` : "–";
}

/**
 * The figures of what is sent, by the ids of their places; what is not sent has none.
 * @param {Statistics | null} statistics
 * @param {{video: boolean, audio: boolean}} sends
 */
export function sentTexts(statistics, sends) {
  const flowing = (/** @type {"video" | "audio"} */ kind) => statistics?.tracks.find((t) => sends[kind] && t.kind === kind && t.bitrate > 0);
  const [video, audio] = [flowing("video"), flowing("audio")];
  return {
    "fact-bitrate": bitrateText((video?.bitrate ?? 0) + (audio?.bitrate ?? 0)),
    "fact-picture": pictureText(video),
    "fact-fps": frameRateText(video),
    "fact-rtt": video || audio ? roundTripText(statistics) : "–",
    "fact-codec": video?.codec || audio?.codec || "–",
  };
}

/** @param {Statistics | null} statistics */
export function roundTripText(statistics) {
  const ms = statistics?.roundTripMs;
  if (ms === null || ms === undefined) return "–";
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

/** @typedef {"quiet" | "open" | "first" | "trying" | "lost"} LinkLook `quiet`: nothing worth a word; `first`: it was never open */

/** What is said of the link. */
export const LINK_TEXTS = { quiet: "", open: "Connected", first: "Connecting…", trying: "Reconnecting…", lost: "Not connected" };

/**
 * @param {LinkState} link
 * @returns {LinkLook}
 */
export function linkLook(link) {
  switch (link.phase) {
    case "open":
      return "open";
    case "closed":
      return "lost";
    default:
      return link.error ? "trying" : "first";
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
 * What is said when a source ended by itself.
 * @param {readonly Source[]} lost
 * @param {boolean} sent somebody was seeing or hearing it
 * @returns {{title: string, text: string, label: string}} `label`: of the way out
 */
export function lostText(lost, sent) {
  if (lost.includes("screen")) {
    return { title: "Your screen is no longer shared.", text: sent ? "Viewers are told that there is no picture." : "", label: "Use camera and microphone" };
  }
  const both = lost.includes("camera") && lost.includes("microphone");
  const what = both ? "Camera and microphone" : lost.includes("camera") ? "The camera" : "The microphone";
  const told = both ? "The others are told that they neither see nor hear you." : lost.includes("camera") ? "The others are told that they do not see you." : "The others are told that they do not hear you.";
  const label = both ? "Use camera and microphone" : lost.includes("camera") ? "Use a camera" : "Use a microphone";
  return { title: `${what} ${both ? "are" : "is"} gone.`, text: sent ? told : "Plug it in again, or choose another one.", label };
}

/**
 * What is said while the system keeps a source from being seen or heard.
 * @param {readonly Source[]} silenced
 * @returns {{title: string, text: string}}
 */
export function silencedText(silenced) {
  if (silenced.includes("screen")) return { title: "What you share shows nothing right now.", text: "Its window may be minimized. It goes on by itself." };
  const both = silenced.includes("camera") && silenced.includes("microphone");
  const what = both ? "Your camera and microphone are" : silenced.includes("camera") ? "Your camera is" : "Your microphone is";
  const told = both ? "The others neither see nor hear you." : silenced.includes("camera") ? "The others do not see you." : "The others do not hear you.";
  return { title: `${what} silenced by your system.`, text: `${told} A call, a switch of the keyboard or a setting does that; it goes on by itself.` };
}

/**
 * What is said while an operator keeps what is sent from the others.
 * @param {Moderated} moderated
 * @returns {{title: string, text: string}}
 */
export function moderatedText(moderated) {
  const both = moderated.has("video") && moderated.has("audio");
  const what = both ? "camera and microphone" : moderated.has("video") ? "camera" : "microphone";
  const told = both ? "neither see nor hear you" : moderated.has("video") ? "do not see you" : "do not hear you";
  return { title: `A moderator muted your ${what}.`, text: `The others ${told} until the moderator takes that back.` };
}

/**
 * @param {Problem} problem
 * @param {string} stream
 * @returns {{title: string, text: string}}
 */
export function broadcastProblem(problem, stream) {
  switch (problem.code) {
    case "stream_exists":
      return { title: `Somebody is live as “${titleOf(stream)}” already.`, text: "Choose another stream name. One that is not heard any more is free after a few seconds." };
    case "taken_over":
      return { title: "Somebody took this stream name over.", text: "Your camera is still on. Choose another name to go live again." };
    case "no_codec":
      return { title: "The server cannot forward this codec.", text: problem.message };
    case "unauthorized":
      return { title: "You may not publish here without a token.", text: ASK_FOR_LINK };
    case "token_expired":
      return { title: "Your link has expired.", text: ASK_FOR_LINK };
    case "forbidden":
      return { title: "You may not publish here.", text: problem.message };
    case "unavailable":
      return { title: "The server has no room right now.", text: "It is asked again by itself." };
    default:
      return { title: "Going live did not work.", text: problem.message };
  }
}

/**
 * What is said in the meeting when one's own picture and sound are not sent, and the way out.
 * @param {Problem} problem
 * @returns {{title: string, text: string, label: string}}
 */
export function ownProblem({ code, message }) {
  switch (code) {
    case "stream_exists":
      return { title: "The others do not see you: your place in this room is taken.", text: "", label: "Take another place" };
    case "taken_over":
      return { title: "The others do not see you: another tab or device took your place.", text: "", label: "Come back" };
    case "kicked":
      return { title: "You were taken out of the meeting.", text: "The others neither see nor hear you.", label: "Come back" };
    case "no_codec":
      return { title: "The others do not see you: the server cannot forward what this browser sends.", text: message, label: "Try again" };
    case "unauthorized":
      return { title: "You may not be here without a token.", text: ASK_FOR_LINK, label: "Try again" };
    case "token_expired":
      return { title: "Your link has expired.", text: ASK_FOR_LINK, label: "Try again" };
    case "forbidden":
      return { title: "You may only watch here.", text: message, label: "Try again" };
    default:
      return { title: "The others do not see you.", text: message, label: "Try again" };
  }
}

/**
 * What is said in the meeting while one's own picture and sound wait for the server.
 * @param {"full" | "away"} trouble
 * @returns {{title: string, text: string}}
 */
export function troubleText(trouble) {
  if (trouble === "full") return { title: "The others do not see you: the server has no room right now.", text: "It is asked again by itself." };
  return { title: "The others do not see you right now.", text: "The server is not reached. It is tried again by itself." };
}

/**
 * Why nothing is shown.
 * @param {Problem} problem
 * @returns {{title: string, text: string}}
 */
export function watchProblem({ code, message }) {
  switch (code) {
    case "taken_over":
    case "kicked":
      return { title: "The server ended what you watch here.", text: message };
    case "unauthorized":
      return { title: "You may not be here without a token.", text: ASK_FOR_LINK };
    case "token_expired":
      return { title: "Your link has expired.", text: ASK_FOR_LINK };
    case "forbidden":
      return { title: "Your link is not for this.", text: message };
    default:
      return { title: "This does not work.", text: message };
  }
}

/** What helps without a token, or with one that is over. */
const ASK_FOR_LINK = "Ask whoever invited you for a new link: it ends with #token=….";

/** Stream names that a page made up for a tab say nothing to a person. */
const MADE_UP = /^(?:guest|cam)-[0-9a-z]{4}$/;

/**
 * What a picture is called.
 * @param {string} stream
 * @param {Stream | null} source
 * @param {readonly (Stream | null)[]} [all] what else is shown
 */
export function labelOf(stream, source, all = []) {
  const name = source?.name;
  if (!name) return source?.publisher && MADE_UP.test(stream) ? personText({ member: source.publisher }) : MADE_UP.test(stream) ? "Guest" : titleOf(stream);
  const namesakes = all.filter((other) => other?.name === name).map((other) => other?.stream ?? "");
  if (namesakes.length < 2 || !namesakes.includes(stream)) return name;
  return MADE_UP.test(stream) ? `${name} (${namesakes.indexOf(stream) + 1})` : `${name} · ${titleOf(stream)}`;
}

/** @param {{member: string, name?: string | null}} person */
export function personText({ member, name }) {
  return name || `Guest ${member.slice(0, 4)}`;
}

/** @param {number} count */
export function peopleText(count) {
  return count === 1 ? "1 person here" : `${count} people here`;
}

/**
 * Who watches and shows nothing. Nobody says nothing.
 * @param {import("../client/state/audience.js").Audience} audience
 * @param {{named: boolean, member: string}} options `named`: members by name, but for oneself
 */
export function audienceText({ members, players }, { named, member }) {
  const count = members.length + players;
  if (!named) return count === 0 ? "" : `${count} watching`;
  const names = members.filter((person) => person.member !== member).map(personText);
  const shown = names.slice(0, NAMED_MAX);
  const others = names.length - shown.length + players;
  const unnamed = shown.length === 0 ? (others === 1 ? "1 without a name" : `${others} without a name`) : others === 1 ? "1 other" : `${others} others`;
  const parts = [...shown, ...(others > 0 ? [unnamed] : [])];
  return parts.length === 0 ? "" : `Only watching: ${parts.join(", ")}`;
}

/** More names have no place in a line. */
const NAMED_MAX = 3;

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

/**
 * Why a name can't be one.
 * @param {string} text
 */
export function nameProblem(text) {
  if (text.trim() === "") return "A name is needed.";
  return text.trim().length > 64 ? "This name is too long: at most 64 letters." : "This name is too long, or has characters that nobody can see. Please use a shorter one.";
}

/**
 * What the tab of the browser is called.
 * @param {{live: boolean, title: string}} state `live`: others see or hear this person
 */
export function pageTitle({ live, title }) {
  return `${live ? "● LIVE " : ""}${title} · Chappe`;
}
