// Owns waiting for something to become true. Never sleeps for a fixed time instead.

const LOOK_EVERY_MS = 50;

/**
 * When a test is given up. No claim of any test: what takes a second takes many on a machine that builds something, and a
 * test that waits for what comes does not wait for longer because it may.
 */
export const GIVEN_UP_AFTER_MS = 60_000;

/** What a look gets that begins just before the end. */
const LAST_LOOK_MS = 1_000;

/**
 * @template T
 * @param {string} what for the message when it never happens
 * @param {() => Promise<T> | T} look truthy when it happened; what it throws counts as not yet
 * @param {{withinMs?: number, everyMs?: number}} [options]
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(what, look, { withinMs = GIVEN_UP_AFTER_MS, everyMs = LOOK_EVERY_MS } = {}) {
  const deadline = performance.now() + withinMs;
  /** @type {unknown} */
  let last;
  for (;;) {
    try {
      const value = await within(deadline - performance.now(), look);
      if (value) return /** @type {NonNullable<T>} */ (value);
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}${last instanceof Error ? ` (${last.message})` : ""}`, { cause: last });
    await new Promise((done) => setTimeout(done, everyMs));
  }
}

/**
 * One look that hangs (a page that answers nothing) must not hang the test.
 * @template T
 * @param {number} leftMs
 * @param {() => Promise<T> | T} look
 * @returns {Promise<T>}
 */
async function within(leftMs, look) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error("the last look got no answer")), Math.max(leftMs, LAST_LOOK_MS));
  });
  try {
    return /** @type {T} */ (await Promise.race([look(), late]));
  } finally {
    clearTimeout(timer);
  }
}
