// Owns the certificate of this browser's connections to the server, the same one for a day, also after a page was loaded
// anew: by it a worker knows a client that comes back, and what its line carried. Never makes a connection.

const DATABASE = "chappe";
const STORE = "certificates";
const PLACE = "connections";
const LIFE_MS = 24 * 3_600_000;
/** One that is over so soon is not begun with. */
const SPARE_MS = 3_600_000;
/**
 * What a first connection waits for the storage, which is asked when the page is loaded and takes some milliseconds. Safari 14
 * has versions that never answer (WebKit bug 226547), and others may be slow in a private window, on a full disk or when they
 * make the database: nobody is to wait for a picture because of that.
 */
const WAIT_MS_MAX = 100;
/** @type {EcKeyGenParams & {expires: number}} */
const KEY = { name: "ECDSA", namedCurve: "P-256", expires: LIFE_MS };

export class PageCertificate {
  /** @type {RTCCertificate | undefined} */
  #present;
  /** @type {Promise<unknown> | undefined} of what is being recalled or made, or was */
  #preparing;
  /** @type {Promise<RTCCertificate> | undefined} what is being made for that, or was */
  #made;
  /** @type {Promise<unknown> | undefined} the same as `#preparing`, for as long as it is waited for */
  #awaited;

  /** Begins to recall it, or to make one, so that it is there by the time that something is offered. */
  prepare() {
    if (!this.#preparing || (this.#present && !isGood(this.#present))) this.#begin(true);
  }

  /**
   * For a first connection to wait for: a moment at most, and without an error. One that the storage is late for shows one
   * that is made then, and that is the one that is kept if the storage has none.
   * @returns {Promise<unknown>}
   */
  ready() {
    this.prepare();
    this.#awaited ??= Promise.race([this.#preparing, this.#late()]);
    return this.#awaited;
  }

  /**
   * For a new connection. None where there is none yet: then the browser makes one for that connection alone.
   * @returns {RTCCertificate[]}
   */
  get certificates() {
    return this.#present && isGood(this.#present) ? [this.#present] : [];
  }

  /** The browser does not take the one that there is. */
  replace() {
    this.#present = undefined;
    this.#begin(false);
  }

  /** @param {boolean} mayRecall the one that is kept */
  #begin(mayRecall) {
    this.#awaited = undefined;
    this.#made = undefined;
    this.#preparing = this.#recallOrMake(mayRecall).catch(() => undefined);
  }

  /** @param {boolean} mayRecall */
  async #recallOrMake(mayRecall) {
    if (!makesCertificates()) return;
    // Some browsers keep nothing in a private window, and some no certificates: then it is that of this page.
    const database = await opened().catch(() => undefined);
    const kept = mayRecall && database && (await recalled(database).catch(() => undefined));
    const made = (this.#present = kept || (await this.#make()));
    if (database && !kept) this.#present = await keep(database, made, mayRecall).catch(() => made);
    database?.close();
  }

  async #late() {
    await new Promise((done) => setTimeout(done, WAIT_MS_MAX));
    if (this.certificates.length > 0 || !makesCertificates()) return;
    const made = await this.#make().catch(() => undefined);
    // Unless the storage has answered meanwhile.
    if (this.certificates.length === 0) this.#present = made;
  }

  /** Once for all who need one. */
  #make() {
    return (this.#made ??= RTCPeerConnection.generateCertificate(KEY));
  }
}

/** Of this page. */
export const pageCertificate = new PageCertificate();

function makesCertificates() {
  return Boolean(globalThis.RTCPeerConnection?.generateCertificate);
}

/** @param {RTCCertificate} certificate */
function isGood(certificate) {
  return certificate.expires > Date.now() + SPARE_MS;
}

/** @param {IDBDatabase} database */
async function recalled(database) {
  return good(places(database, "readonly"));
}

/**
 * Of pages that have made one at the same moment, all take that of the first.
 * @param {IDBDatabase} database
 * @param {RTCCertificate} made
 * @param {boolean} mayRecall
 * @returns {Promise<RTCCertificate>}
 */
async function keep(database, made, mayRecall) {
  const store = places(database, "readwrite");
  const other = mayRecall ? await good(store) : undefined;
  if (!other) await answer(store.put(made, PLACE));
  return other ?? made;
}

/**
 * @param {IDBObjectStore} store
 * @returns {Promise<RTCCertificate | undefined>}
 */
async function good(store) {
  const kept = await answer(store.get(PLACE));
  return kept && isGood(kept) ? kept : undefined;
}

/** @returns {Promise<IDBDatabase>} */
function opened() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    answer(opening).then(resolve, reject);
  });
}

/**
 * @param {IDBDatabase} database
 * @param {IDBTransactionMode} mode
 */
function places(database, mode) {
  return database.transaction(STORE, mode).objectStore(STORE);
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
