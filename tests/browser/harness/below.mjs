// Owns an nginx that shows a server below a path, as a site does that has other things, too. Never changes what passes.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { endedWithTest } from "./children.mjs";
import { until } from "./until.mjs";

/**
 * @param {object} options
 * @param {string} options.url of the server
 * @param {string} options.prefix such as `/live`
 * @param {boolean} options.strips nginx takes the path off, and says so in X-Forwarded-Prefix
 * @returns {Promise<{url: string, end: () => Promise<void>}>} `url` with the path; what is outside of it is answered 404
 */
export async function showBelow({ url, prefix, strips }) {
  const folder = await mkdtemp(path.join(tmpdir(), "chappe-below-"));
  const port = await freePort();
  const file = path.join(folder, "nginx.conf");
  await writeFile(file, configuration({ folder, port, url, prefix, strips }));
  const args = ["-p", folder, "-c", file, "-e", "stderr"];
  const child = endedWithTest(spawn("/usr/sbin/nginx", args, { stdio: ["ignore", "ignore", "pipe"] }));
  let log = "";
  child.stderr.on("data", (data) => (log += String(data)));
  const ended = new Promise((done) => child.once("exit", done));
  const end = async () => {
    child.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  const below = `http://127.0.0.1:${port}${prefix}`;
  try {
    await until("nginx passes requests on", async () => (await fetch(`${below}/readyz`)).ok);
  } catch (error) {
    await end();
    throw new Error(`nginx did not start:\n${log}`, { cause: error });
  }
  return { url: below, end };
}

/** @param {{folder: string, port: number, url: string, prefix: string, strips: boolean}} options */
function configuration({ folder, port, url, prefix, strips }) {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`);
  return `
    daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr warn;
    events {}
    http {
      access_log off; ${temporary.join(" ")}
      map $http_upgrade $connection_upgrade { default upgrade; '' close; }
      server {
        listen 127.0.0.1:${port};
        location ${prefix}/ {
          proxy_pass ${url}${strips ? "/" : ""};
          proxy_http_version 1.1;
          proxy_set_header Host $http_host;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection $connection_upgrade;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          ${strips ? `proxy_set_header X-Forwarded-Prefix ${prefix};` : ""}
        }
        location / { return 404; }
      }
    }`;
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((found) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => found(address !== null && typeof address === "object" ? address.port : 0));
    });
  });
}
