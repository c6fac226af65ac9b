// Owns the publish page: it connects the source, the settings and the broadcast. Each of them draws itself.

import { Broadcast } from "./broadcast.js";
import { Capture } from "./capture.js";
import { need } from "./dom.js";
import { Notice } from "./notice.js";
import { Preview } from "./preview.js";
import { Setup } from "./setup.js";
import { Switch } from "./switch.js";
import { broadcastProblem, deviceProblem } from "./words.js";

/** @import { NoticeState } from "./notice.js" */

const capture = new Capture();
const setup = new Setup(new URLSearchParams(location.search));
const broadcast = new Broadcast();
const preview = new Preview(() => ask());
const notice = new Notice();
const publisher = () => broadcast.publisher;
new Switch("mute", "audio", { on: ["mic", "Mute microphone"], off: ["micOff", "Unmute microphone"] }, capture, publisher);
new Switch("blank", "video", { on: ["camera", "Turn camera off"], off: ["cameraOff", "Turn camera on"] }, capture, publisher);

function ask() {
  void capture.ask(setup.choice);
}

function go() {
  if (capture.mediaStream && setup.check()) broadcast.go(setup.names, capture.mediaStream, setup.publishOptions);
}

function update() {
  setup.update({ broadcast: broadcast.state.phase, ready: capture.state.phase === "on" });
  preview.update({ capture: capture.state, mediaStream: capture.mediaStream, broadcast: broadcast.state.phase });
  notice.update(problem());
}

/** @returns {NoticeState | null} the most pressing one */
function problem() {
  const { phase, from, problem: device } = capture.state;
  if (phase === "failed" && device) {
    return { ...deviceProblem(device, from), tone: "bad", action: { label: "Try again", run: ask } };
  }
  const { phase: broadcasting, problem: refusal } = broadcast.state;
  if (broadcasting === "reconnecting" || (broadcasting === "live" && broadcast.linkBroken)) {
    const seen = broadcasting === "live" ? "Viewers still see you." : "Your camera keeps running.";
    return { title: "The server is gone for a moment, reconnecting…", text: seen };
  }
  if (broadcasting === "starting" && broadcast.linkBroken) return { title: "The server is not reachable.", text: "It is tried again by itself." };
  if (!refusal) return null;
  const words = broadcastProblem(refusal, setup.names.stream);
  const mayPass = ["stream_exists", "taken_over"].includes(refusal.code);
  return { ...words, tone: "bad", action: mayPass ? { label: "Try again", run: () => broadcast.again() } : undefined };
}

capture.on("devices", (devices) => setup.showDevices(devices, capture.mediaStream));
capture.on("state", ({ phase }) => {
  if (phase === "on" && capture.mediaStream) {
    if (broadcast.publisher) void broadcast.publisher.replace(capture.mediaStream);
    else if (setup.takeAutostart()) go();
  }
  update();
});
broadcast.on("state", update);
setup.on("source", ask);
setup.on("go", go);
setup.on("stop", () => broadcast.stop());
addEventListener("pagehide", () => broadcast.stop());
addEventListener("click", () => preview.wake());
need("place", HTMLElement).textContent = "Go live";

update();
if (setup.choice.from === "camera") ask();
