// Owns a lossy link between two nodes: all that they send each other takes it. The nodes reach everybody else as before.

import { run } from "./fabric.mjs";
import { Talk, tool } from "./talk.mjs";

const DEVICE = "lossy0";

export class LossyLink {
  #talk;
  #ends;

  /**
   * @param {Talk} talk
   * @param {import("./fabric.mjs").Plug[]} ends
   */
  constructor(talk, ends) {
    this.#talk = talk;
    this.#ends = ends;
  }

  /**
   * @param {import("./fabric.mjs").Plug} from
   * @param {import("./fabric.mjs").Plug} to
   * @param {number} [seed]
   */
  static async lay(from, to, seed = 1) {
    const args = ["--from", from.name, "--to", to.name, "--device", DEVICE, "--seed", String(seed)];
    const talk = new Talk(tool("chappe-link", "CHAPPE_LINK"), args);
    await talk.hear("ready");
    const link = new LossyLink(talk, [from, to]);
    for (const [here, there] of [[from, to], [to, from]]) {
      if (!here || !there) continue;
      run(`ip -n ${here.name} link set ${DEVICE} up`);
      run(`ip -n ${here.name} route add ${there.address}/32 dev ${DEVICE} src ${here.address}`);
    }
    return link;
  }

  /** @param {number} share of the packets that vanish, each way */
  lose(share) {
    this.#talk.say(`loss ${share}`);
  }

  /** @param {number} packets that vanish one after the other, the share being the same */
  burst(packets) {
    this.#talk.say(`burst ${packets}`);
  }

  /** @param {number} ms one way */
  delay(ms) {
    this.#talk.say(`delay ${ms}`);
  }

  /** @param {number} kbps each way; 0 for as fast as it goes */
  rate(kbps) {
    this.#talk.say(`rate ${kbps}`);
  }

  /** @param {number} ms that a packet waits at most for those before it */
  queue(ms) {
    this.#talk.say(`queue ${ms}`);
  }

  /** @returns {Promise<Record<"there" | "back", {carried: number, lost: number, overflowed: number, wait_p95_ms: number}>>} */
  counts() {
    const heard = this.#talk.hear("counts");
    this.#talk.say("counts");
    return heard;
  }

  /** The devices go with the program, and the routes with them. */
  end() {
    return this.#talk.end();
  }
}
