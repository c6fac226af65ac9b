// Owns the look at one element: how large it is, and whether somebody can see it. Never decides what follows.

/** @import { Shown } from "../client/media/tiles.js" */

/** A page that is left for a moment, to look something up, goes on. */
const LEFT_MS = 3000;

/**
 * Says how an element is shown, now and whenever that changes.
 * @param {HTMLElement} element
 * @param {(shown: Shown) => void} onChange
 * @returns {() => void} ends it
 */
export function watchSight(element, onChange) {
  let intersects = true;
  let left = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let leaving;
  const say = () => {
    const { width, height } = element.getBoundingClientRect();
    const scale = globalThis.devicePixelRatio || 1;
    const apart = document.pictureInPictureElement !== null && element.contains(document.pictureInPictureElement);
    onChange({ width: width * scale, height: height * scale, visible: apart || (intersects && !element.hidden && !left) });
  };
  const resizes = new ResizeObserver(say);
  resizes.observe(element);
  const intersections = new IntersectionObserver((entries) => {
    intersects = entries.at(-1)?.isIntersecting ?? true;
    say();
  }, { rootMargin: "10%" });
  intersections.observe(element);
  const turned = () => {
    clearTimeout(leaving);
    const now = document.visibilityState === "hidden";
    if (!now) {
      left = false;
      say();
    } else {
      leaving = setTimeout(() => {
        left = true;
        say();
      }, LEFT_MS);
    }
  };
  document.addEventListener("visibilitychange", turned);
  return () => {
    clearTimeout(leaving);
    resizes.disconnect();
    intersections.disconnect();
    document.removeEventListener("visibilitychange", turned);
  };
}
