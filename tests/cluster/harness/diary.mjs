// Owns what a page sent, heard and connected, with the time of each, for who wants to know why its picture stood still.

/** @typedef {import("../../browser/harness/scene.mjs").Page} Page */
/** @typedef {{atMs: number, what: string}} DiaryLine of the machine's clock */

/** @type {WeakMap<Page, DiaryLine[]>} */
const diaries = new WeakMap();

/**
 * Begins to write down what a page says over its WebSockets and what becomes of its peer connections. Before it loads.
 * @param {Page} page
 */
export async function keepDiary(page) {
  /** @type {DiaryLine[]} */
  const diary = [];
  diaries.set(page, diary);
  const note = (/** @type {string} */ what) => void (diary.length < ENTRIES_MAX && diary.push({ atMs: Date.now(), what }));
  let sockets = 0;
  page.on("websocket", (socket) => {
    const name = `ws${++sockets}`;
    note(`${name} to ${new URL(socket.url()).host}`);
    socket.on("framesent", ({ payload }) => note(`${name} > ${gist(String(payload))}`));
    socket.on("framereceived", ({ payload }) => note(`${name} < ${gist(String(payload))}`));
    socket.on("close", () => note(`${name} closed`));
  });
  await page.exposeFunction("chappeNote", note);
  await page.addInitScript((everyMs) => {
    const Real = window.RTCPeerConnection;
    let made = 0;
    window.RTCPeerConnection = class extends Real {
      /** @param {any[]} args */
      constructor(...args) {
        super(...args);
        const name = `pc${++made}`;
        const note = /** @type {any} */ (window).chappeNote;
        this.addEventListener("connectionstatechange", () => void note(`${name} ${this.connectionState}`));
        const timer = setInterval(() => {
          if (this.connectionState === "closed") return clearInterval(timer);
          void picture(this).then((text) => text && note(`${name} ${text}`));
        }, everyMs);
      }
    };
    /**
     * What came of its pictures so far, and what was asked for.
     * @param {RTCPeerConnection} pc
     */
    async function picture(pc) {
      const told = [];
      for (const report of (await pc.getStats()).values()) {
        if (report.type !== "inbound-rtp" || report.kind !== "video") continue;
        const { packetsReceived, packetsLost, framesReceived, framesDecoded, keyFramesDecoded, pliCount, nackCount } = report;
        told.push(JSON.stringify({ packetsReceived, packetsLost, framesReceived, framesDecoded, keyFramesDecoded, pliCount, nackCount }));
      }
      return told.join(" ");
    }
  }, PICTURE_MS);
}

/**
 * @param {Page} page
 * @param {number} sinceMs
 */
export function diaryOf(page, sinceMs) {
  const entries = (diaries.get(page) ?? []).filter((entry) => entry.atMs >= sinceMs);
  return entries.map((entry) => `${((entry.atMs - sinceMs) / 1000).toFixed(3)} ${entry.what}`).join("\n");
}

/** Descriptions of sessions are long, and say nothing of why. */
function gist(/** @type {string} */ text) {
  return text.replace(/"sdp":"(\\.|[^"\\])*"/g, '"sdp":…').slice(0, 240);
}

const ENTRIES_MAX = 2_000;
/** How often pictures are looked at. */
const PICTURE_MS = 500;
