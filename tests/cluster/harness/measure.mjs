// Owns what a test does with a figure in milliseconds: it is always said, and held only where the run is a measurement.
// `make recovery` measures, on a machine that does nothing else; `make test` holds behaviour and no milliseconds.

import assert from "node:assert/strict";

/** Whether limits in milliseconds hold in this run. */
export const MEASURING = process.env["CHAPPE_MEASURE"] === "1";

/**
 * @param {import("node:test").TestContext} context
 * @param {string} what
 * @param {{ms: number, limitMs: number}} figure
 */
export function holdMs(context, what, { ms, limitMs }) {
  const text = `${what}: ${ms.toFixed(ms < 10 ? 2 : 0)} ms, the limit of a measurement is ${limitMs} ms`;
  context.diagnostic(text);
  if (MEASURING) assert.ok(ms <= limitMs, text);
}
