// Owns where things stand in a meeting on a screen of any size, in any browser. Never changes the page.

/** @import { AnyPage } from "./devices.mjs" */

/** @typedef {{x: number, y: number, width: number, height: number}} Box */

/**
 * @typedef {object} Boxes
 * @property {Box[]} tiles the own one among them
 * @property {Box} leave
 * @property {Box} brand
 * @property {boolean} onTop nothing lies over Leave
 * @property {{width: number, height: number}} viewport
 * @property {{width: number}} grid
 * @property {string[]} cut words that have no room in their button
 * @property {boolean} scrolls
 */

/**
 * What is wrong with the place of things.
 * @param {AnyPage} page
 * @returns {Promise<string[]>}
 */
export async function faults(page) {
  const { tiles, leave, onTop, viewport, grid, scrolls, cut } = await boxes(page);
  const found = [];
  const inside = (/** @type {Box} */ b) => b.x >= -0.5 && b.y >= -0.5 && b.x + b.width <= viewport.width + 0.5 && b.y + b.height <= viewport.height + 0.5;
  if (!inside(leave) || leave.height < 40 || !onTop) found.push(`Leave is not within reach: ${JSON.stringify(leave)}`);
  if (scrolls) found.push("the page scrolls");
  for (const words of cut) found.push(`the words “${words}” stand over their button`);
  const [left, right] = [Math.min(...tiles.map(({ x }) => x)), viewport.width - Math.max(...tiles.map(({ x, width }) => x + width))];
  if (Math.abs(left - right) > 2) found.push(`the tiles stand to one side: ${left} px are left of them, ${right} px right`);
  for (const [n, one] of tiles.entries()) {
    for (const other of tiles.slice(n + 1)) if (overlap(one, other)) found.push(`tile ${n} is covered: ${JSON.stringify([one, other])}`);
    if (one.x < -0.5 || one.x + one.width > viewport.width + 0.5) found.push(`tile ${n} is cut: ${JSON.stringify(one)}`);
    const columns = Math.round(grid.width / one.width);
    if (viewport.width < 540 && (columns > 2 || Math.abs(one.width * columns - grid.width) > 12)) found.push(`tile ${n} is neither full width nor half: ${one.width} of ${grid.width}`);
    if (one.width < 150) found.push(`tile ${n} is too small: ${one.width}`);
  }
  return found;
}

/**
 * @param {Box} a
 * @param {Box} b
 */
function overlap(a, b) {
  return a.x + a.width > b.x + 1 && b.x + b.width > a.x + 1 && a.y + a.height > b.y + 1 && b.y + b.height > a.y + 1;
}

/**
 * Where things stand.
 * @param {AnyPage} page
 * @returns {Promise<Boxes>}
 */
export function boxes(page) {
  return page.evaluate(() => {
    const box = (/** @type {Element | null} */ e) => {
      const { x, y, width, height } = e?.getBoundingClientRect() ?? new DOMRect();
      return { x, y, width, height };
    };
    const leave = document.querySelector(".dock .stop");
    const at = box(leave);
    const grid = document.querySelector("#grid");
    const root = document.documentElement;
    return {
      tiles: [...document.querySelectorAll("#grid > .tile:not([hidden]), #grid > .own:not([hidden])")].map(box),
      leave: at,
      brand: box(document.querySelector(".brand img")),
      onTop: document.elementFromPoint(at.x + at.width / 2, at.y + at.height / 2) === leave,
      viewport: { width: innerWidth, height: innerHeight },
      grid: { width: grid?.clientWidth ?? 0 },
      cut: [...document.querySelectorAll(".dock > *")].filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.textContent ?? ""),
      scrolls: root.scrollHeight > innerHeight || root.scrollWidth > innerWidth,
    };
  });
}
