// Owns one FFmpeg that publishes a test picture and a tone over WHIP. Never decodes anything.

import { execFileSync, spawn } from "node:child_process";

import { endedWithTest } from "./children.mjs";

/** FFmpeg 9 with a WHIP muxer ships inside a Python package; `CHAPPE_FFMPEG` names another one. */
function program() {
  const given = process.env["CHAPPE_FFMPEG"];
  if (given) return given;
  const python = process.env["CHAPPE_PYTHON"] ?? "../../.venv/bin/python";
  const question = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())";
  return execFileSync(python, ["-c", question], { encoding: "utf8" }).trim();
}

const PICTURE = ["-re", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=30"];
const TONE = ["-re", "-f", "lavfi", "-i", "sine=r=48000"];
const H264 = ["-c:v", "libx264", "-profile:v", "baseline", "-pix_fmt", "yuv420p", "-preset", "ultrafast", "-tune", "zerolatency", "-bf", "0", "-g", "60", "-b:v", "800k"];
const OPUS = ["-c:a", "libopus", "-ar", "48000", "-ac", "2"];

/**
 * @param {string} url of the WHIP endpoint
 * @returns {Promise<{stop: () => Promise<void>, log: () => string}>}
 */
export async function startFfmpeg(url) {
  const args = ["-hide_banner", "-nostdin", ...PICTURE, ...TONE, ...H264, ...OPUS, "-authorization", "any", "-f", "whip", url];
  const child = endedWithTest(spawn(program(), args, { stdio: ["ignore", "ignore", "pipe"] }));
  /** @type {string[]} */
  const log = [];
  child.stderr.on("data", (data) => log.push(String(data)));
  const ended = new Promise((done) => child.once("exit", done));
  return {
    log: () => log.join(""),
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGINT");
      const late = setTimeout(() => child.kill("SIGKILL"), 5000);
      await ended;
      clearTimeout(late);
    },
  };
}

/**
 * Writes a picture that no encoder makes small, so that each encoding of it takes all that it may: a second of 720 lines.
 * @param {string} file whose name ends in .mjpeg
 */
export function writeNoise(file) {
  const picture = ["-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30,noise=alls=24:allf=t", "-t", "1", "-c:v", "mjpeg", "-q:v", "8"];
  execFileSync(program(), ["-hide_banner", "-loglevel", "error", "-nostdin", "-y", ...picture, file]);
}
