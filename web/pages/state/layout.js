// Owns how wide the tiles of a grid are. Never measures.

const ASPECT = 16 / 9;
/** Below this a person sees nothing; rather scroll. */
const TILE_PX_MIN = 150;
/** A grid that is narrower is on a phone that is held upright. */
const UPRIGHT_PX_MAX = 540;

/**
 * The widest 16:9 tiles that all fit. On an upright phone they fill the width, alone or in two columns.
 * @param {number} count
 * @param {number} width
 * @param {number} height
 * @param {number} gap
 */
export function tileWidth(count, width, height, gap) {
  const across = (/** @type {number} */ columns) => (width - gap * (columns - 1)) / columns;
  const down = (/** @type {number} */ columns) => {
    const rows = Math.ceil(count / columns);
    return ((height - gap * (rows - 1)) / rows) * ASPECT;
  };
  if (width < UPRIGHT_PX_MAX) return Math.floor(count < 2 || down(1) >= width ? width : across(2));
  let best = 0;
  for (let columns = 1; columns <= count; columns++) best = Math.max(best, Math.min(across(columns), down(columns)));
  if (best >= TILE_PX_MIN) return Math.floor(best);
  return Math.floor(across(Math.max(1, Math.floor((width + gap) / (TILE_PX_MIN + gap)))));
}
