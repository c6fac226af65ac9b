// Owns the scenarios of a viewer beside a TCP flow that takes what it gets. Never prints.

import { spawn } from "node:child_process";

import { bytesOf } from "./frames.mjs";

/** @typedef {import("./emulation.mjs").Emulation} Emulation */
/** @typedef {import("./emulation.mjs").Row} Row */

const wait = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms));

/**
 * @param {Emulation} emulation
 * @param {"cubic" | "bbr"} control of the flow's congestion
 * @param {string} [source] what the viewer watches, if it is not the usual
 * @returns {Promise<Row>}
 */
export async function greedy(emulation, control, source = "") {
  emulation.link.rate(4000);
  const page = await emulation.whep();
  await wait(8000);
  const flow = pour(emulation.network, control);
  await wait(5000);
  const [before] = await bytesOf(page);
  await emulation.link.counts();
  const lines = emulation.lines();
  await wait(20_000);
  const [after] = await bytesOf(page);
  const looks = await lines.end();
  const queueMs = (await emulation.link.counts()).there.wait_p95_ms;
  flow.end();
  await page.context().close();
  const kbps = ((after ?? 0) - (before ?? 0)) * 8 / 20_000;
  const estimates = looks.map((look) => look.kbps).sort((a, b) => a - b);
  const at = (/** @type {number} */ share) => Math.round(estimates[Math.floor(share * (estimates.length - 1))] ?? 0);
  return {
    what: `${source && `a viewer ${source} `}beside one greedy TCP flow (${control}) on 4 Mbit/s`,
    figures: {
      "share of the viewer": (kbps / 4000).toFixed(2),
      "estimate of its line": `p10 ${at(0.1)}, p50 ${at(0.5)}, p90 ${at(0.9)} kbit/s`,
      "layers chosen": spread(looks),
      "queue p95": `${Math.round(queueMs)} ms`,
    },
  };
}

/**
 * How often each size was the chosen one.
 * @param {import("./lines.mjs").Look[]} looks
 */
function spread(looks) {
  const of = (/** @type {number} */ layer) => looks.filter((look) => look.layer === layer).length / Math.max(1, looks.length);
  const most = Math.max(0, ...looks.map((look) => look.layers));
  return Array.from({ length: most }, (_, place) => `${Math.round(100 * of(place + 1))} %`).join(", ") || "none";
}

/**
 * A TCP flow from the server's side to the browser's that sends as fast as it may.
 * @param {import("../harness/network.mjs").Network} network
 * @param {string} control
 */
function pour(network, control) {
  const at = `("${network.serverAddress}", 5300)`;
  const source = `import socket; s = socket.create_server(${at}); s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"${control}"); c, _ = s.accept(); b = bytes(65536)\nwhile True: c.sendall(b)`;
  // The source may not be there yet.
  const sink = `import socket, time\nwhile True:\n  try: c = socket.create_connection(${at}); break\n  except OSError: time.sleep(0.05)\nwhile c.recv(65536): pass`;
  const start = (/** @type {string} */ namespace, /** @type {string} */ script) =>
    spawn("ip", ["netns", "exec", namespace, "python3", "-c", script], { stdio: ["ignore", "ignore", "inherit"] });
  const children = [start(network.server, source), start(network.browser, sink)];
  return { end: () => children.forEach((child) => child.kill("SIGKILL")) };
}
