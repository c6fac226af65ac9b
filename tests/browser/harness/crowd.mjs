// Owns others in a room who cost little: members that publish a small drawn picture and a quiet tone, all in one page.

import { until } from "./until.mjs";

/** @import { Page } from "playwright-core" */
/** @import { AnyPage } from "./devices.mjs" */
/** @import { Scene } from "./scene.mjs" */

export class Crowd {
  #page;
  #room;
  #count = 0;

  /**
   * @param {Page} page
   * @param {string} room
   */
  constructor(page, room) {
    this.#page = page;
    this.#room = room;
  }

  /**
   * @param {Scene} scene
   * @param {string} room
   */
  static async of(scene, room) {
    return new Crowd(await scene.page("/"), room);
  }

  /**
   * Lets more come until there are so many.
   * @param {number} count
   * @param {(n: number) => string} [nameOf]
   */
  async growTo(count, nameOf = (n) => `Guest number ${n}`) {
    for (; this.#count < count; this.#count++) await this.come({ name: nameOf(this.#count), stream: `drawn-${this.#count}` });
  }

  /**
   * One more, under this name.
   * @param {{name: string, stream: string, insteadOf?: string}} who `insteadOf`: the session that holds the name
   */
  async come(who) {
    await this.#page.evaluate(publishDrawing, { room: this.#room, ...who });
  }

  async end() {
    await this.#page.context().close();
  }
}

/**
 * So many tiles with a picture. A busy machine lets some of them stand still.
 * @param {AnyPage} page
 * @param {number} count
 */
export function tilesShow(page, count) {
  const pictured = () => page.evaluate(() => [...document.querySelectorAll(".tile video")].filter((v) => v instanceof HTMLVideoElement && v.videoWidth > 0).length);
  return until(`${count} tiles have a picture`, async () => (await pictured()) === count);
}

/**
 * Runs in the page.
 * @param {{room: string, name: string, stream: string, insteadOf?: string}} who
 */
async function publishDrawing({ room: roomName, name, stream, insteadOf }) {
  const { joinRoom } = await import(new URL("/assets/client/room.js", location.href).href);
  const canvas = document.createElement("canvas");
  canvas.width = 160;
  canvas.height = 90;
  const drawing = canvas.getContext("2d");
  let turn = 0;
  setInterval(() => {
    if (!drawing) return;
    drawing.fillStyle = `hsl(${(turn += 7) % 360} 60% 45%)`;
    drawing.fillRect(0, 0, 160, 90);
  }, 100);
  const sound = new AudioContext();
  const to = sound.createMediaStreamDestination();
  const tone = new OscillatorNode(sound, { frequency: 220 });
  tone.connect(new GainNode(sound, { gain: 0.01 })).connect(to);
  tone.start();
  const room = await joinRoom({ url: location.origin, room: roomName, name });
  room.publish(stream, new MediaStream([...canvas.captureStream(10).getTracks(), ...to.stream.getTracks()]), { codec: "vp8", maxBitrate: 100_000, listed: true, insteadOf });
}
