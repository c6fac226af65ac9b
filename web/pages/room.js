// Owns the meeting page: the step before it, and then everyone publishes a camera and watches the others.

import { Room } from "../client/room.js";
import { at, namesIn, ownToken } from "./address.js";
import { AudienceLine } from "./audience.js";
import { Capture } from "./capture.js";
import { ChatPanel } from "./chat.js";
import { named, need } from "./dom.js";
import { JoinStep } from "./join.js";
import { OwnStream } from "./own.js";
import { OwnTile } from "./own_tile.js";
import { isOn } from "./state/capture.js";
import { ownNote, ownTrouble } from "./state/meeting.js";
import { titleOf } from "./state/title.js";
import { Stay } from "./stay.js";
import { Steadied } from "./steady.js";
import { Switch } from "./switch.js";
import { OtherTabs, claimTabName, freshTabName } from "./tab.js";
import { Viewing } from "./viewing.js";
import { pageTitle } from "./words.js";

/** Many pictures share a page: a smaller one each. */
const HEIGHT = 360;
/** There the chat has a place beside the pictures; elsewhere it would cover them. */
const WIDE = "(min-width: 861px)";
const ABSENCE = {
  before: { title: "You are the first here", text: "Send the address of this page to the others. They appear here by themselves." },
  after: { title: "You are alone here", text: "The others have left, or send neither picture nor sound." },
};

const name = namesIn(location.pathname).room;
if (name) prepare(name);
else location.replace(at("/"));

/** @param {string} name */
function prepare(name) {
  document.title = `${titleOf(name)} · Chappe`;
  need("place", HTMLElement).replaceChildren(...named(name));
  step("join");
  const capture = new Capture();
  const join = new JoinStep(name, capture, HEIGHT);
  /** @type {Meeting | null} */
  let meeting = null;
  const tabs = new OtherTabs(name, {
    onInside: (inside) => join.showElsewhere(inside),
    onLeave: () => {
      meeting?.leave();
      tabs.enter(false);
    },
  });
  join.on("move", () => tabs.askToLeave());
  join.on("join", ({ name: own }) => {
    if (meeting) return;
    const { choice } = join;
    join.end();
    step("in");
    meeting = new Meeting(name, own, capture, choice);
    tabs.enter(true);
  });
  addEventListener("pagehide", () => tabs.enter(false));
  void capture.ask(join.choice);
}

/** @param {"join" | "in" | "left"} now */
function step(now) {
  document.body.dataset["step"] = now;
}

class Meeting {
  #room;
  #viewing;
  #capture;
  #own;
  #choice;
  #ownTile = new OwnTile();
  #stay = new Stay();
  #trouble = new Steadied(/** @type {ReturnType<typeof ownTrouble>} */ ("none"), () => this.update());
  #name;
  #left = false;

  /**
   * @param {string} name of the room
   * @param {string} own name of the person
   * @param {Capture} capture
   * @param {import("./state/sources.js").Choice} choice
   */
  constructor(name, own, capture, choice) {
    this.#name = name;
    this.#capture = capture;
    this.#choice = choice;
    // Who says so himself is not asked.
    need("leave", HTMLElement).addEventListener("click", () => this.#stay.update(false));
    const room = new Room({ room: name, name: own, token: ownToken() });
    this.#room = room;
    this.#own = new OwnStream(room, name);
    new AudienceLine(room, { named: true });
    const publisher = () => this.#own.publisher;
    const switches = { capture, publisher, onToggled: () => this.update() };
    const microphone = new Switch("mute", "audio", { ...switches, onMissing: () => this.#ask({ microphone: "" }) });
    const camera = new Switch("blank", "video", { ...switches, onMissing: () => this.#ask({ camera: "" }) });
    need("mute", HTMLElement).setAttribute("aria-keyshortcuts", "m");
    this.#viewing = new Viewing(room, { name, absence: ABSENCE, onKeyM: () => microphone.toggle() });
    new ChatPanel(room, { name: own, open: matchMedia(WIDE).matches });
    capture.on("state", () => void this.#captured());
    this.#own.on("state", () => {
      for (const source of [microphone, camera]) source.update();
      this.update();
    });
    room.on("people", () => this.update());
    room.watch("all");
    void this.#captured();
  }

  update() {
    if (this.#left) return;
    const { mediaStream, state: capture } = this.#capture;
    this.#ownTile.update({ mediaStream, moderated: this.#own.publisher?.moderated, name: this.#room.people.get(this.#room.member)?.name });
    const live = this.#own.state.phase === "live";
    document.title = pageTitle({ live, title: titleOf(this.#name) });
    this.#stay.update(live || this.#own.state.phase === "reconnecting");
    const now = ownTrouble(this.#own.state);
    const trouble = this.#trouble.update(now, now === "none");
    const note = ownNote({ own: this.#own.state, trouble, capture, sent: this.#own.publisher !== null, moderated: this.#own.publisher?.moderated });
    /** @type {Record<import("./state/meeting.js").Way, () => void>} */
    const ways = { own: () => this.#comeBack(), source: () => this.#askForLost(), accept: () => this.#capture.accept() };
    this.#viewing.say(note && { ...note, actions: note.ways.map(({ label, way }) => ({ label, run: ways[way] })) });
  }

  /** Another tab goes on with the meeting. */
  leave() {
    this.#left = true;
    this.#room.leave();
    this.#capture.stop();
    this.#stay.update(false);
    document.title = pageTitle({ live: false, title: titleOf(this.#name) });
    step("left");
    const again = { label: "Come back here", run: () => location.reload() };
    this.#viewing.say({ title: "You went on in another tab.", text: "This one sends and shows nothing any more.", actions: [again] });
  }

  async #captured() {
    this.update();
    const { mediaStream } = this.#capture;
    if (!isOn(this.#capture.state) || !mediaStream) return;
    if (this.#own.publisher) return void this.#own.publisher.replace(mediaStream);
    if (mediaStream.getTracks().length === 0) return;
    const stream = await claimTabName("guest");
    if (!this.#own.publisher) this.#own.send(stream, this.#capture.mediaStream ?? mediaStream);
  }

  #comeBack() {
    const { mediaStream } = this.#capture;
    if (mediaStream) this.#own.send(freshTabName("guest"), mediaStream);
  }

  #askForLost() {
    const { lost, phase } = this.#capture.state;
    if (phase === "failed") return this.#ask({});
    this.#ask({ ...(lost.includes("camera") && { camera: "" }), ...(lost.includes("microphone") && { microphone: "" }) });
  }

  /** @param {{camera?: string, microphone?: string}} change */
  #ask(change) {
    if (this.#left) return;
    void this.#capture.ask({ ...(this.#capture.choice ?? this.#choice), ...change });
  }
}
