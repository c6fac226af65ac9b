// Owns how wide the tiles of a grid are. Never measures.

const ASPECT = 16 / 9;
/** Below this a person sees nothing; rather scroll. */
const TILE_PX_MIN = 260;

/**
 * The widest 16:9 tiles that all fit.
 * @param {number} count
 * @param {number} width
 * @param {number} height
 * @param {number} gap
 */
export function tileWidth(count, width, height, gap) {
  let best = 0;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const across = (width - gap * (columns - 1)) / columns;
    const down = ((height - gap * (rows - 1)) / rows) * ASPECT;
    best = Math.max(best, Math.min(across, down));
  }
  return Math.floor(Math.max(best, Math.min(width, TILE_PX_MIN)));
}
