// Owns how long to wait before the next attempt. Never waits.

export const PAUSE_MS_MIN = 250;
export const PAUSE_MS_MAX = 5000;

/**
 * Doubles from 250 ms to 5 s. The jitter takes away up to half, so that a thousand pages that lost the
 * same server do not come back in the same instant.
 * @param {number} attempt 0 for the first pause
 * @param {number} random 0–1
 * @param {number} [asked] pause the server asked for, in ms
 */
export function pauseMs(attempt, random, asked = 0) {
  const full = Math.min(PAUSE_MS_MIN * 2 ** Math.min(attempt, 16), PAUSE_MS_MAX);
  return Math.max(asked, Math.round(full * (1 - random / 2)));
}

/** The link is tried again at once, but not by everybody in the same instant. */
const AT_ONCE_MS_MAX = 50;

/**
 * Until the link is tried again.
 * @param {number} attempts that failed, 1 or more
 * @param {number} random 0–1
 * @param {number} [asked] pause the server asked for, in ms
 */
export function retryMs(attempts, random, asked = 0) {
  if (attempts > 1) return pauseMs(attempts - 2, random, asked);
  return Math.max(asked, Math.round(AT_ONCE_MS_MAX * random));
}
