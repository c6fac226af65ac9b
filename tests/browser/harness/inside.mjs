// Owns running a test file inside a network namespace of its own, which has one address besides loopback.

import { execFileSync, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const INSIDE_ADDRESS = "10.217.85.1";

export const isInside = process.env["CHAPPE_TEST_INSIDE"] === "1";

/**
 * @param {string} url `import.meta.url` of the test file
 * @returns {Promise<{code: number | null, output: string}>} of the same file, run inside
 */
export async function runInside(url) {
  const namespace = `chappe-f${process.pid}`;
  const [one, other] = [`cf${process.pid}`, `cg${process.pid}`];
  const ip = (/** @type {string} */ command) => execFileSync("ip", command.split(" "), { stdio: "pipe" });
  ip(`netns add ${namespace}`);
  try {
    ip(`-n ${namespace} link add ${one} type veth peer name ${other}`);
    ip(`-n ${namespace} addr add ${INSIDE_ADDRESS}/24 dev ${one}`);
    for (const link of ["lo", one, other]) ip(`-n ${namespace} link set ${link} up`);
    // Without a default route Firefox believes that it has no network at all. The cable leads nowhere.
    ip(`-n ${namespace} route add default dev ${one}`);
    // A test runner tells its children that they are children, which would change what they print.
    const { NODE_TEST_CONTEXT, ...env } = process.env;
    const args = ["netns", "exec", namespace, process.execPath, "--test", fileURLToPath(url)];
    const child = spawn("ip", args, { env: { ...env, CHAPPE_TEST_INSIDE: "1" }, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (data) => (output += String(data)));
    return await new Promise((done) => child.once("close", (code) => done({ code, output })));
  } finally {
    ip(`netns del ${namespace}`);
  }
}
