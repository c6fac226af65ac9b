// Owns what happens to a page's camera, microphone and screen from outside, in any browser. Never opens one.

/** @typedef {{evaluate: (run: any, argument?: any) => Promise<any>}} AnyPage of Playwright or of Puppeteer */

/**
 * From now on the browser says no.
 * @param {AnyPage} page
 * @param {"getUserMedia" | "getDisplayMedia"} method
 * @param {string} name of the error
 */
export function refuse(page, method, name) {
  const run = (/** @type {string[]} */ [which = "", error = ""]) => {
    Object.defineProperty(navigator.mediaDevices, which, { configurable: true, value: () => Promise.reject(new DOMException("no", error)) });
  };
  return page.evaluate(run, [method, name]);
}

/** @param {AnyPage} page */
export function allow(page) {
  return page.evaluate(() => {
    for (const method of ["getUserMedia", "getDisplayMedia"]) Reflect.deleteProperty(navigator.mediaDevices, method);
  });
}

/**
 * As the browser does when a device goes.
 * @param {AnyPage} page
 * @param {"audio" | "video"} kind
 */
export function unplug(page, kind) {
  return page.evaluate((/** @type {string} */ which) => {
    const video = document.querySelector("#preview");
    const media = video instanceof HTMLVideoElement && video.srcObject instanceof MediaStream ? video.srcObject : null;
    const track = media?.getTracks().find((t) => t.kind === which);
    if (!track) throw new Error(`there is no ${which}`);
    track.stop();
    track.dispatchEvent(new Event("ended"));
  }, kind);
}

/**
 * As the system does with a camera, for a call or with a switch of the keyboard.
 * @param {AnyPage} page
 * @param {boolean} muted
 */
export function silence(page, muted) {
  return page.evaluate((/** @type {boolean} */ now) => {
    const video = document.querySelector("#preview");
    const track = video instanceof HTMLVideoElement && video.srcObject instanceof MediaStream ? video.srcObject.getVideoTracks()[0] : undefined;
    if (!track) throw new Error("there is no camera");
    Object.defineProperty(track, "muted", { configurable: true, value: now });
    track.dispatchEvent(new Event(now ? "mute" : "unmute"));
  }, muted);
}
