// Owns the server's end of a socket, which a test plays. Never opens a real one.

/** The other end of one socket. */
export class FakeSocket {
  url;
  /** @type {any[]} */
  sent = [];
  closed = false;
  /** @type {number | undefined} */
  code;
  /** @type {any} */ onopen = null;
  /** @type {any} */ onmessage = null;
  /** @type {any} */ onclose = null;
  /** @type {any} */ onerror = null;
  /** @param {string} [url] */
  constructor(url = "") {
    this.url = url;
  }
  /** @param {any} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  /** @param {number} [code] */
  close(code) {
    this.closed = true;
    this.code = code;
  }
  /** @param {Record<string, unknown>} [more] */
  welcome(more) {
    this.say({ type: "welcome", id: 0, member: "m", resume: "secret", resumed: false, sessions: [], room: "r", streams: [], ice_servers: [], ...more });
  }
  /** @param {Record<string, unknown>} message */
  say(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}
