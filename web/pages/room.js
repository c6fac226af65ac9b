// Owns the meeting page: everyone publishes a camera and watches the others.

import { Room } from "../client/room.js";
import { at, namesIn, ownName, tabName } from "./address.js";
import { publishedBefore, rememberPublished } from "./own_stream.js";
import { Capture } from "./capture.js";
import { ChatPanel } from "./chat.js";
import { el, need } from "./dom.js";
import { Switch } from "./switch.js";
import { Viewing } from "./viewing.js";
import { deviceProblem } from "./words.js";

/** Many pictures share a page: a smaller one each. */
const HEIGHT = 360;
/** There the chat has a place beside the pictures; elsewhere it would cover them. */
const WIDE = "(min-width: 861px)";

const name = namesIn(location.pathname).room;
if (name) meet(name);
else location.replace(at("/"));

/** @param {string} name */
function meet(name) {
  document.title = `${name} · Chappe`;
  need("place", HTMLElement).replaceChildren(el("strong", {}, name));
  const own = ownName();
  const room = new Room({ room: name, name: own });
  const viewing = new Viewing(room, { name, single: false });
  new ChatPanel(room, { name: own, open: matchMedia(WIDE).matches });
  const capture = new Capture();
  /** @type {import("../client/media/publisher.js").Publisher | null} */
  let publisher = null;

  const ask = () => void capture.ask({ from: "camera", camera: "", microphone: "", height: HEIGHT });
  capture.on("state", ({ phase, problem }) => {
    if (phase === "failed" && problem) {
      const words = deviceProblem(problem, "camera");
      viewing.notice.update({ ...words, text: `${words.text} You can watch meanwhile.`, action: { label: "Try again", run: ask } });
    }
    if (phase !== "on" || !capture.mediaStream) return;
    viewing.notice.update(null);
    need("preview", HTMLVideoElement).srcObject = capture.mediaStream;
    if (publisher) return;
    const stream = tabName("guest");
    publisher = room.publish(stream, capture.mediaStream, { insteadOf: publishedBefore(name, stream) });
    publisher.on("state", ({ phase, session }) => phase === "live" && session && rememberPublished(name, stream, session));
  });
  new Switch("mute", "audio", { on: ["mic", "Mute"], off: ["micOff", "Unmute"] }, capture, () => publisher);
  new Switch("blank", "video", { on: ["camera", "Camera off"], off: ["cameraOff", "Camera on"] }, capture, () => publisher);
  room.watch("all");
  ask();
}
