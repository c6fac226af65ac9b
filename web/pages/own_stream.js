// Owns what proves to the server, after a reload, that a stream is this tab's own: its last session. Never publishes.

/**
 * The session to publish instead of; none unless this tab published under the name and was then reloaded. A copy of a
 * tab has the same storage, and must not throw its original out.
 * @param {string} room
 * @param {string} stream
 * @returns {string | undefined}
 */
export function publishedBefore(room, stream) {
  const [how] = performance.getEntriesByType("navigation");
  const reloaded = how instanceof PerformanceNavigationTiming && how.type === "reload";
  return (reloaded && sessionStorage.getItem(keyOf(room, stream))) || undefined;
}

/**
 * @param {string} room
 * @param {string} stream
 * @param {string} session
 */
export function rememberPublished(room, stream, session) {
  sessionStorage.setItem(keyOf(room, stream), session);
}

/**
 * @param {string} room
 * @param {string} stream
 */
function keyOf(room, stream) {
  return `chappe.published.${room}/${stream}`;
}
