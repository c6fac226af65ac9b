// Owns which RTP header extensions a page offers beside those that its browser offers by itself. Never reads one.

/**
 * Chromium has some that it offers only where it is told to; other browsers offer what they offer.
 * @param {RTCRtpTransceiver} transceiver
 * @param {string} uri
 */
export function offerExtension(transceiver, uri) {
  const able = /** @type {Extensible} */ (/** @type {unknown} */ (transceiver));
  const extensions = able.getHeaderExtensionsToNegotiate?.();
  const wanted = extensions?.find((extension) => extension.uri === uri);
  if (!extensions || !wanted || !able.setHeaderExtensionsToNegotiate) return;
  wanted.direction = "sendrecv";
  able.setHeaderExtensionsToNegotiate(extensions);
}

/** What layers a stream has, and which of them a packet is of, whatever its codec. */
export const DESCRIPTOR = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
/** How much each of them is to take. */
export const ALLOCATION = "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00";

/**
 * Of WebRTC extensions (W3C webrtc-extensions), where a browser has it.
 * @typedef {object} Extensible
 * @property {() => {uri: string, direction: string}[]} [getHeaderExtensionsToNegotiate]
 * @property {(extensions: {uri: string, direction: string}[]) => void} [setHeaderExtensionsToNegotiate]
 */
