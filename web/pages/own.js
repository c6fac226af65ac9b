// Owns what this person sends into a meeting, and what becomes of it. Never opens a camera, never draws.

/** @import { Publisher } from "../client/media/publisher.js" */
/** @import { Room } from "../client/room.js" */
/** @import { BroadcastState } from "./state/broadcast.js" */

import { Emitter } from "../client/emitter.js";
import { publishedBefore, rememberPublished } from "./own_stream.js";
import { initialBroadcast, updateBroadcast } from "./state/broadcast.js";

/** @extends {Emitter<{state: BroadcastState}>} */
export class OwnStream extends Emitter {
  /** @type {BroadcastState} */
  state = initialBroadcast;
  /** @type {Publisher | null} */
  publisher = null;
  #room;
  #roomName;
  /** @type {(() => void)[]} */
  #detach = [];

  /**
   * @param {Room} room
   * @param {string} roomName
   */
  constructor(room, roomName) {
    super();
    this.#room = room;
    this.#roomName = roomName;
  }

  /**
   * @param {string} stream
   * @param {MediaStream} mediaStream
   */
  send(stream, mediaStream) {
    this.#end();
    this.#dispatch({ type: "go" });
    const publisher = this.#room.publish(stream, mediaStream, { insteadOf: publishedBefore(this.#roomName, stream) });
    this.publisher = publisher;
    this.#detach = [publisher.on("state", (session) => {
      if (session.phase === "live" && session.session) rememberPublished(this.#roomName, stream, session.session);
      this.#dispatch({ type: "session", session });
    }), publisher.on("moderated", () => this.emit("state", this.state))];
  }

  #end() {
    for (const detach of this.#detach) detach();
    this.publisher?.stop();
    this.publisher = null;
  }

  /** @param {Parameters<typeof updateBroadcast>[1]} event */
  #dispatch(event) {
    const before = this.state;
    this.state = updateBroadcast(before, event);
    if (this.state !== before) this.emit("state", this.state);
  }
}
