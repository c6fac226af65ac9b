// Owns where a page may connect to, and in which order, as a value. Never connects.

/**
 * Other servers than the page's own, as WebSocket addresses, in the order of this page. A server that is still
 * listed keeps its place; new ones come after, shuffled, so that the pages of a dead node spread over the others.
 * @param {readonly string[]} known from the last call
 * @param {object} news
 * @param {string} news.own WebSocket address of the page's own server
 * @param {readonly unknown[]} news.origins as the server lists them
 * @param {() => number} news.random
 * @returns {readonly string[]}
 */
export function learnServers(known, { own, origins, random }) {
  const secure = own.startsWith("wss:");
  /** @type {Set<string>} */
  const listed = new Set();
  for (const origin of origins.slice(0, SERVERS_MAX)) {
    const url = typeof origin === "string" ? socketUrl(origin) : null;
    // A browser refuses an open line to a secure page anyway, but only after a complaint in the console.
    if (url && url !== own && (!secure || url.startsWith("wss:"))) listed.add(url);
  }
  const kept = known.filter((url) => listed.has(url));
  return [...kept, ...shuffled([...listed].filter((url) => !kept.includes(url)), random)];
}

/**
 * Whom to try, one after the other. The page's own server comes first, since it may be a load balancer that finds
 * a living node by itself. The one that failed us last comes at the end, unless it is our own and only broke.
 * @param {object} situation
 * @param {string} situation.own
 * @param {readonly string[]} situation.others
 * @param {string} situation.last the one that was connected or answered last
 * @param {boolean} situation.refused it answered, but did not let us in
 * @param {boolean} situation.patient media flows without the link, so its server is only given time to come back
 * @returns {string[]}
 */
export function round({ own, others, last, refused, patient }) {
  if (patient) return [last];
  const failed = last === own && !refused ? null : last;
  const all = [own, ...others];
  return [...all.filter((url) => url !== failed), ...all.filter((url) => url === failed)];
}

/**
 * Where the server is that a module came from, with the path below which a proxy shows it; null for a copy that is kept
 * elsewhere. Servers have their modules below `/assets/`.
 * @param {string} module its address
 */
export function homeOf(module) {
  const at = module.lastIndexOf("/assets/");
  return /^https?:/.test(module) && at > 0 ? module.slice(0, at) : null;
}

/**
 * The WebSocket address of a server; null for what is no web address.
 * @param {string | URL} base with the path below which a proxy shows it, if it does
 */
export function socketUrl(base) {
  try {
    const url = new URL(base);
    url.pathname = `${url.pathname.replace(/\/+$/, "")}/ws`;
    url.search = "";
    url.hash = "";
    if (url.protocol === "https:") url.protocol = "wss:";
    if (url.protocol === "http:") url.protocol = "ws:";
    return /^wss?:$/.test(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** More than this many are not remembered. */
const SERVERS_MAX = 64;

/**
 * @param {string[]} list
 * @param {() => number} random
 */
function shuffled(list, random) {
  return list.map((url) => ({ url, key: random() })).sort((a, b) => a.key - b.key).map(({ url }) => url);
}
