// Owns whether the page plays sound. Never plays.

/** @typedef {"on" | "off" | "blocked"} Sound `blocked`: the browser wants a click first */

/**
 * @param {Sound} state
 * @param {"toggled" | "refused"} event
 * @returns {Sound}
 */
export function updateSound(state, event) {
  if (event === "refused") return state === "on" ? "blocked" : state;
  return state === "on" ? "off" : "on";
}
