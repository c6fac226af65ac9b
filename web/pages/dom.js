// Owns the making and finding of elements. Never sets markup from text.

import { titleOf } from "./state/title.js";

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function need(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return element;
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string | boolean>} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/**
 * A name as people know it, with the id that stands for it in addresses where that is another.
 * @param {string} id
 */
export function named(id) {
  const title = titleOf(id);
  const strong = el("strong", { dir: "auto" }, title);
  return title === id ? [strong] : [strong, " ", el("span", { class: "id", dir: "ltr" }, id)];
}

/** @type {Record<string, string[]>} strokes on a 24 × 24 grid */
const ICONS = {
  camera: ["M3 7.5A1.5 1.5 0 0 1 4.500 6h9A1.500 1.500 0 0 1 15 7.500v9a1.500 1.500 0 0 1-1.500 1.500h-9A1.500 1.500 0 0 1 3 16.500z", "m15 10.500 6-3.500v10l-6-3.500"],
  cameraOff: ["M3 7.500V16.500A1.500 1.500 0 0 0 4.500 18h9", "M8 6h5.500A1.500 1.500 0 0 1 15 7.500v3l6-3.500v10l-4-2.300", "m3 3 18 18"],
  mic: ["M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3z", "M5.500 11a6.500 6.500 0 0 0 13 0", "M12 17.500V21"],
  micOff: ["M9 6a3 3 0 0 1 6 0v5", "M9 9.500V11a3 3 0 0 0 4.500 2.600", "M5.500 11a6.500 6.500 0 0 0 10 5.500", "M18.500 11a6 6 0 0 1-.6 2.600", "M12 17.500V21", "m3 3 18 18"],
  screen: ["M3.500 5h17v11h-17z", "M8.500 20h7", "M12 16v4"],
  sound: ["M4 9.500v5h3.500L12 19V5L7.500 9.500z", "M15.500 8.500a5 5 0 0 1 0 7", "M18 6a8.500 8.500 0 0 1 0 12"],
  soundOff: ["M4 9.500v5h3.500L12 19V5L7.500 9.500z", "m16 9.500 5 5", "m21 9.500-5 5"],
  facts: ["M4 20V11", "M10 20V4", "M16 20v-6", "M21 20H3"],
  full: ["M4 9V4h5", "M20 9V4h-5", "M4 15v5h5", "M20 15v5h-5"],
  open: ["M14 4h6v6", "M20 4l-9 9", "M18 14v6H4V6h6"],
  wait: ["M12 3a9 9 0 1 0 9 9"],
  alert: ["M12 4 2.800 20h18.400z", "M12 10v4.500", "M12 17.300v.2"],
  stop: ["M6 6h12v12H6z"],
  chat: ["M4 5h16v11H10l-4.500 4v-4H4z"],
  close: ["m6 6 12 12", "M18 6 6 18"],
  send: ["M4 12 20 4.500 15 20l-4-6.500z", "m11 13.500 9-9"],
};

/** @param {string} name */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  for (const d of ICONS[name] ?? []) {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

/**
 * An icon with a text that small screens may hide from the eye, never from a screen reader.
 * @param {HTMLElement} button
 * @param {string} iconName
 * @param {string} text
 */
export function face(button, iconName, text) {
  if (button.dataset["face"] === iconName + text) return;
  button.dataset["face"] = iconName + text;
  button.replaceChildren(icon(iconName), el("span", { class: "text" }, text));
}
