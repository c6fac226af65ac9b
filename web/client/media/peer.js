// Owns one RTCPeerConnection from its making to its end. Never talks to the server.

import { pageCertificate } from "./certificate.js";

/** @typedef {{iceServers: RTCIceServer[]}} Terms what the last welcome said */
/** @typedef {(peer: Peer, state: RTCPeerConnectionState) => void} OnPeerState */

/** Asked for with each new session: its worker is to be heard at least this often. */
export const ALIVE_MS = 100;

export class Peer {
  /** @type {string | null} its session on the server */
  session = null;
  closed = false;
  /** Its worker is heard at least this often; 0: it may be silent. */
  aliveMs = 0;
  /** Nothing came over it when something had to: its session is not asked for any more, whoever holds it. */
  silent = false;
  /** When a look first found that nothing had come; null: the last one saw something, or there was none yet. @type {number | null} */
  stillSinceMs = null;
  /** Places of those encodings of its picture that the server says nobody watches. @type {readonly number[]} */
  unwatched = [];
  pc;

  /**
   * @param {RTCIceServer[]} iceServers
   * @param {OnPeerState} onState
   */
  constructor(iceServers, onState) {
    this.pc = connection({ iceServers, bundlePolicy: "max-bundle" });
    this.pc.onconnectionstatechange = () => onState(this, this.pc.connectionState);
  }

  /**
   * One offer and its answer. The server is ICE-lite and learns our addresses from our checks, so the offer goes
   * out at once, without waiting for candidates.
   * @template {{session: string, sdp: string, alive_ms?: number}} A
   * @param {{iceRestart: boolean}} options
   * @param {(sdp: string) => Promise<A>} ask
   * @returns {Promise<A>}
   */
  async exchange(options, ask) {
    await this.pc.setLocalDescription(await this.pc.createOffer(options));
    try {
      const answer = await ask(this.pc.localDescription?.sdp ?? "");
      await this.pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      this.session = answer.session;
      this.aliveMs = answer.alive_ms ?? 0;
      return answer;
    } catch (error) {
      if (this.pc.signalingState === "have-local-offer") await this.pc.setLocalDescription({ type: "rollback" });
      throw error;
    }
  }

  /** Whatever becomes of it concerns nobody any more. */
  hush() {
    this.pc.onconnectionstatechange = null;
  }

  close() {
    this.closed = true;
    this.hush();
    this.pc.close();
  }
}

/**
 * With the certificate of this page, unless the browser does not take that.
 * @param {RTCConfiguration} configuration
 */
function connection(configuration) {
  const { certificates } = pageCertificate;
  if (certificates.length === 0) return new RTCPeerConnection(configuration);
  try {
    return new RTCPeerConnection({ ...configuration, certificates });
  } catch {
    const pc = new RTCPeerConnection(configuration);
    pageCertificate.replace();
    return pc;
  }
}

/**
 * The wanted codec alone, with what repairs it: of several the server has the one sent that most viewers decode. All
 * of them in a browser that lacks it.
 * @param {RTCRtpCodec[]} codecs
 * @param {string} wanted such as `vp9`
 */
export function onlyCodec(codecs, wanted) {
  const is = (/** @type {RTCRtpCodec} */ c, /** @type {string} */ name) => c.mimeType.split("/")[1]?.toLowerCase() === name;
  const chosen = codecs.filter((c) => is(c, wanted.toLowerCase()));
  return chosen.length > 0 ? [...chosen, ...codecs.filter((c) => is(c, "rtx"))] : codecs;
}
