// Owns a page of somebody else: another origin, with third-party WHIP and WHEP clients bundled from npm.

import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const HERE = path.dirname(fileURLToPath(import.meta.url));

/** What the page's script puts on `window.clients`. */
const ENTRY = `
  import { WHIPClient as WhipWhepPublisher } from "whip-whep/whip.js";
  import { WHEPClient as WhipWhepViewer } from "whip-whep/whep.js";
  import { WHIPClient as EyevinnPublisher } from "@eyevinn/whip-web-client";
  import { WebRTCPlayer as EyevinnPlayer } from "@eyevinn/webrtc-player";
  window.clients = { WhipWhepPublisher, WhipWhepViewer, EyevinnPublisher, EyevinnPlayer };
`;
const PAGE = `<!doctype html><title>Somebody else's page</title><video autoplay playsinline></video><script type="module" src="/clients.js"></script>`;

/** @returns {Promise<{url: string, close: () => void}>} */
export async function serveForeignPage() {
  const bundle = await build({
    stdin: { contents: ENTRY, resolveDir: HERE },
    bundle: true,
    format: "esm",
    write: false,
    logLevel: "error",
  });
  const script = bundle.outputFiles[0]?.text ?? "";
  const server = createServer((request, response) => {
    const wantsScript = request.url === "/clients.js";
    response.setHeader("content-type", wantsScript ? "text/javascript" : "text/html");
    response.end(wantsScript ? script : PAGE);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", () => done(undefined)));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the page server has no port");
  return { url: `http://127.0.0.1:${address.port}/`, close: () => void server.close() };
}
