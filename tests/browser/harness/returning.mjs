// Owns what a page that comes back shows of itself, and the first picture that it gets. Never asks the server.

/**
 * Runs in a page before it is loaded: it says nothing to the server before it has its certificate, however long the storage
 * of this machine takes for that. A page waits for it only for a moment, which is right, and nothing for a test to depend on.
 */
export function holdUntilCertain() {
  const certain = new Promise((/** @type {(value?: unknown) => void} */ done) => {
    const close = IDBDatabase.prototype.close;
    // The last that a page does with the storage.
    IDBDatabase.prototype.close = function () {
      close.call(this);
      done();
    };
  });
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    void certain.then(() => send.call(this, data));
  };
}

/** Runs in a page before it is loaded: notes how large its pictures are, whenever that changes. */
export function noteSizes() {
  /** @type {number[]} */
  const sizes = [];
  Object.assign(window, { chappeSizes: sizes });
  const note = (/** @type {Event} */ { target }) => target instanceof HTMLVideoElement && sizes.push(target.videoHeight);
  for (const type of ["loadedmetadata", "resize"]) addEventListener(type, note, { capture: true });
}

/** Runs in such a page: lines of the first picture; 0 before that, as is what a track shows that has none yet. */
export function firstLines() {
  return /** @type {number[]} */ (/** @type {any} */ (window).chappeSizes).find((lines) => lines > 2) ?? 0;
}

/**
 * Of the certificate that the newest connection of a page shows.
 * @param {{evaluate: (run: () => string) => Promise<string>}} page instrumented
 * @returns {Promise<string>}
 */
export async function fingerprint(page) {
  const offer = await page.evaluate(newestOffer);
  const lines = [...new Set(offer.match(/^a=fingerprint:\S+ \S+/gm) ?? [])];
  if (lines.length !== 1) throw new Error(`one fingerprint is expected in ${offer}`);
  return String(lines[0]);
}

/** Runs in the page. */
function newestOffer() {
  return /** @type {string} */ (/** @type {any} */ (window).chappeDescriptions().map((/** @type {{offer: string}} */ { offer }) => offer).findLast(Boolean));
}
