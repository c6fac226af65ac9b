// Owns the requests of a test: deadlines, and errors that say what was answered.

/** Who waits for a node that is gone asks again, so not the whole time of a test. */
const ANSWER_WITHIN_MS = 10_000;

/**
 * @param {string} url
 * @param {{method?: string, body?: string, headers?: Record<string, string>}} [options]
 */
export async function answer(url, { method = "GET", body, headers = {} } = {}) {
  const init = { method, headers, signal: AbortSignal.timeout(ANSWER_WITHIN_MS), redirect: /** @type {const} */ ("manual") };
  const response = await fetch(url, body === undefined ? init : { ...init, body }).catch((error) => {
    // What fetch says alone is "fetch failed".
    throw new Error(`${method} ${url}: ${error.cause?.message ?? error.message}`, { cause: error });
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** @param {string} url */
export async function status(url) {
  return (await answer(url)).status;
}

/**
 * A request to the admin API that must succeed.
 * @param {string} url
 * @param {{method?: string, json?: object}} [options]
 * @returns {Promise<any>}
 */
export async function api(url, { method = "GET", json } = {}) {
  // Changes need it also without a body.
  /** @type {Record<string, string>} */
  const headers = method === "GET" ? {} : { "content-type": "application/json" };
  const { status: code, text } = await answer(url, { method, headers, ...(json ? { body: JSON.stringify(json) } : {}) });
  if (code >= 300) throw new Error(`${method} ${url} was answered ${code}: ${text.slice(0, 300)}`);
  return text ? JSON.parse(text) : null;
}
