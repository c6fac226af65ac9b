// Measures what viewers on bad lines see, with real Chromium through an emulated link, and writes the scoreboard.
//   node measure.mjs [--scoreboard FILE] [scenario …]

import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";

import { Emulation } from "./emulation.mjs";
import { SCENARIOS } from "./scenarios.mjs";

const args = process.argv.slice(2);
const at = args.indexOf("--scoreboard");
const file = at >= 0 ? args.splice(at, 2)[1] : undefined;
const names = args.length > 0 ? args : Object.keys(SCENARIOS);
const unknown = names.find((name) => !SCENARIOS[name]);
if (unknown) throw new Error(`there is no scenario ${unknown}: ${Object.keys(SCENARIOS).join(", ")}`);

const day = new Date().toISOString().slice(0, 10);
const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
const lines = [];
for (const name of names) {
  const { run, source = "page", noise = true, lines: height, rates } = /** @type {import("./scenarios.mjs").Scenario} */ (SCENARIOS[name]);
  const emulation = await Emulation.make({ noise });
  try {
    await emulation.publish(source, height, rates);
    const row = await run(emulation);
    const figures = Object.entries(row?.figures ?? {}).map(([what, figure]) => `${what}: ${figure}`);
    const line = `| ${name} | ${row?.what} | ${figures.join("; ")} | ${day}, ${commit} |`;
    console.log(line);
    lines.push(line);
  } finally {
    await emulation.end();
  }
}
if (file) await writeFile(file, board(await readFile(file, "utf8"), lines));

/**
 * The rows of the scenarios that were measured take the place of what was there.
 * @param {string} text
 * @param {string[]} rows
 */
function board(text, rows) {
  const nameOf = (/** @type {string} */ line) => line.split("|")[1]?.trim();
  const kept = text.split("\n").filter((line) => !rows.some((row) => line.startsWith("|") && nameOf(row) === nameOf(line)));
  const end = kept.findLastIndex((line) => line.startsWith("|"));
  return [...kept.slice(0, end + 1), ...rows, ...kept.slice(end + 1)].join("\n");
}
