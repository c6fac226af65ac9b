// Owns the publish page: it connects the source, the settings and the broadcast. Each of them draws itself.

import { Broadcast } from "./broadcast.js";
import { Capture } from "./capture.js";
import { need } from "./dom.js";
import { Notice } from "./notice.js";
import { Preview } from "./preview.js";
import { Setup } from "./setup.js";
import { Stay } from "./stay.js";
import { isOn } from "./state/capture.js";
import { titleOf } from "./state/title.js";
import { Switch } from "./switch.js";
import { broadcastProblem, deviceProblem, lostText, moderatedText, pageTitle, silencedText } from "./words.js";

/** @import { NoticeState } from "./notice.js" */

const capture = new Capture();
const setup = new Setup(new URLSearchParams(location.search));
const broadcast = new Broadcast();
const preview = new Preview(() => ask());
const notice = new Notice();
const stay = new Stay();
const publisher = () => broadcast.publisher;
const switches = [new Switch("mute", "audio", { capture, publisher }), new Switch("blank", "video", { capture, publisher })];

function ask() {
  void capture.ask(setup.choice);
}

/** After the camera or the screen was gone. */
function askAnew() {
  const { lost } = capture.state;
  const { choice } = setup;
  const camera = lost.includes("microphone") && lost.length === 1 ? choice.camera : "";
  const microphone = lost.includes("microphone") || choice.microphone === "screen" || lost.includes("screen") ? "" : choice.microphone;
  void capture.ask({ ...choice, from: "camera", camera, microphone });
}

function go() {
  if (capture.mediaStream && setup.check()) broadcast.go(setup.names, capture.mediaStream, setup.publishOptions);
}

function update() {
  const { phase } = broadcast.state;
  const { stream } = setup.names;
  document.title = pageTitle({ live: phase === "live", title: phase === "idle" || phase === "refused" ? "Go live" : titleOf(stream) });
  stay.update(phase === "live" || phase === "reconnecting" || phase === "starting");
  setup.update({ broadcast: broadcast.state.phase, ready: (capture.mediaStream?.getTracks().length ?? 0) > 0 });
  preview.update({ capture: capture.state, mediaStream: capture.mediaStream, broadcast: broadcast.shown });
  for (const source of switches) source.update();
  notice.update(sourceProblem() ?? broadcastNotice() ?? moderatedNotice());
}

/** @returns {NoticeState | null} */
function sourceProblem() {
  const { phase, from, asked, problem, lost, silenced } = capture.state;
  const goOn = { label: "Go on without", run: () => capture.accept() };
  if (phase === "failed" && problem) return { ...deviceProblem(problem, from), tone: "bad", actions: [{ label: "Try again", run: ask }] };
  if (lost.length > 0) {
    const { title, text, label } = lostText(lost, broadcast.publisher !== null);
    return { title, text, tone: "bad", actions: [{ label, run: askAnew }, goOn] };
  }
  if (silenced.length > 0) return silencedText(silenced);
  if (!problem) return null;
  const words = deviceProblem(problem, asked);
  const still = from === "screen" ? "Your screen is shared as before." : "Camera and microphone are as before.";
  return { title: words.title, text: still, actions: [{ label: "OK", run: () => capture.accept() }] };
}

/** @returns {NoticeState | null} */
function broadcastNotice() {
  const { phase, problem: refusal } = broadcast.state;
  if (broadcast.shown === "reconnecting" || (phase === "live" && broadcast.linkBroken)) {
    const seen = phase === "live" ? "Viewers still see you." : "Your camera keeps running.";
    return { title: "The server is gone for a moment, reconnecting…", text: seen };
  }
  if (phase === "starting" && broadcast.linkBroken) return { title: "The server is not reachable.", text: "It is tried again by itself." };
  // The first offer may come before the link is there: that is said above, when it has lasted.
  if (!refusal || phase === "reconnecting" || (phase === "starting" && refusal.code !== "unavailable")) return null;
  const words = broadcastProblem(refusal, setup.names.stream);
  const mayPass = ["stream_exists", "taken_over"].includes(refusal.code);
  return { ...words, tone: "bad", actions: mayPass ? [{ label: "Try again", run: () => broadcast.again() }] : [] };
}

/** @returns {NoticeState | null} */
function moderatedNotice() {
  const moderated = broadcast.publisher?.moderated;
  return moderated?.size ? moderatedText(moderated) : null;
}

capture.on("devices", (devices) => setup.showDevices(devices, capture.choice));
capture.on("state", ({ phase }) => {
  if (isOn(capture.state) && capture.mediaStream) {
    // A resized picture comes in the same track, at another rate.
    if (broadcast.publisher && phase === "on") void broadcast.publisher.replace(capture.mediaStream, setup.publishOptions);
  }
  if (phase === "on" && capture.choice) setup.showChoice(capture.choice);
  update();
});
broadcast.on("state", update);
setup.on("source", ask);
setup.on("names", () => broadcast.forget());
setup.on("go", go);
setup.on("stop", () => broadcast.stop());
addEventListener("pagehide", () => broadcast.stop());
addEventListener("click", () => preview.wake());
need("place", HTMLElement).textContent = "Go live";

update();
if (setup.choice.from === "camera") ask();
