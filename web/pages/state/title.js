// Owns names as people write them, in any script, and the ids that stand for them in addresses. Never asks anybody: an
// id holds its title.
//
// A title of ASCII letters, digits, dots, dashes and spaces is its id with an underscore for each space. Any other is
// written in Punycode (RFC 3492) behind `xn--`, with punctuation moved to where it is no part of an id.

import { isName } from "../../client/protocol.js";

const PREFIX = "xn--";
/** Private use: where the characters are kept that an id must not have. */
const MOVED = 0xe000;
const PLAIN = /^[A-Za-z0-9 -]$/;
/** What has no look of its own, or changes the direction of the text around it; joiners are part of some words. */
const INVISIBLE = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/u;

/**
 * @param {string} text as it was typed: an id, or a title
 * @returns {string | null} null: it is empty, or too long
 */
export function idOf(text) {
  if (isName(text)) return text;
  const title = text.normalize("NFC").replace(/\s+/gu, " ").trim();
  const spaced = title.replaceAll(" ", "_");
  if (isName(spaced) && !title.includes("_")) return spaced;
  if (title === "" || INVISIBLE.test(title)) return null;
  const moved = [...title].map((c) => (c.length > 1 || c > "\u007f" || PLAIN.test(c) ? c : String.fromCodePoint(MOVED + (c.codePointAt(0) ?? 0)))).join("");
  const id = PREFIX + encode(moved.replaceAll(" ", "_"));
  return isName(id) ? id : null;
}

/**
 * What people call it; the id itself where it holds no other title.
 * @param {string} id
 */
export function titleOf(id) {
  if (!id.startsWith(PREFIX)) return id.replaceAll("_", " ").trim() || id;
  const moved = decode(id.slice(PREFIX.length));
  if (moved === null) return id;
  const title = [...moved.replaceAll("_", " ")].map((c) => {
    const at = (c.codePointAt(0) ?? 0) - MOVED;
    return at > 0 && at < 128 ? String.fromCodePoint(at) : c;
  }).join("");
  return idOf(title) === id ? title : id;
}

const [BASE, T_MIN, T_MAX, SKEW, DAMP, BIAS, FIRST] = [36, 1, 26, 38, 700, 72, 128];
const DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789";

/** @param {string} text */
function encode(text) {
  const points = [...text].map((c) => c.codePointAt(0) ?? 0);
  const basic = points.filter((p) => p < FIRST);
  let out = basic.map((p) => String.fromCodePoint(p)).join("") + (basic.length > 0 ? "-" : "");
  let [n, delta, bias, done] = [FIRST, 0, BIAS, basic.length];
  while (done < points.length) {
    const next = Math.min(...points.filter((p) => p >= n));
    delta += (next - n) * (done + 1);
    n = next;
    for (const point of points) {
      if (point < n) delta += 1;
      if (point !== n) continue;
      out += variableLength(delta, bias);
      bias = adapt(delta, done + 1, done === basic.length);
      [delta, done] = [0, done + 1];
    }
    [delta, n] = [delta + 1, n + 1];
  }
  return out;
}

/**
 * @param {number} value
 * @param {number} bias
 */
function variableLength(value, bias) {
  let out = "";
  for (let k = BASE; ; k += BASE) {
    const t = Math.min(Math.max(k - bias, T_MIN), T_MAX);
    if (value < t) return out + DIGITS[value];
    out += DIGITS[t + ((value - t) % (BASE - t))];
    value = Math.floor((value - t) / (BASE - t));
  }
}

/**
 * @param {string} text
 * @returns {string | null} null: that is no Punycode
 */
function decode(text) {
  const last = text.lastIndexOf("-");
  const out = [...text.slice(0, Math.max(last, 0))].map((c) => c.codePointAt(0) ?? 0);
  let [n, i, bias] = [FIRST, 0, BIAS];
  for (let at = last + 1; at < text.length;) {
    const before = i;
    for (let [k, weight] = [BASE, 1]; ; k += BASE) {
      const digit = DIGITS.indexOf(text[at++] ?? "!");
      if (digit < 0) return null;
      i += digit * weight;
      const t = Math.min(Math.max(k - bias, T_MIN), T_MAX);
      if (digit < t) break;
      weight *= BASE - t;
      if (!Number.isSafeInteger(i) || !Number.isSafeInteger(weight)) return null;
    }
    bias = adapt(i - before, out.length + 1, before === 0);
    n += Math.floor(i / (out.length + 1));
    i %= out.length + 1;
    if (n > 0x10ffff) return null;
    out.splice(i++, 0, n);
  }
  return String.fromCodePoint(...out);
}

/**
 * RFC 3492 section 6.1.
 * @param {number} delta
 * @param {number} count
 * @param {boolean} first
 */
function adapt(delta, count, first) {
  let rest = first ? Math.floor(delta / DAMP) : Math.floor(delta / 2);
  rest += Math.floor(rest / count);
  let k = 0;
  for (; rest > ((BASE - T_MIN) * T_MAX) / 2; k += BASE) rest = Math.floor(rest / (BASE - T_MIN));
  return k + Math.floor(((BASE - T_MIN + 1) * rest) / (rest + SKEW));
}
