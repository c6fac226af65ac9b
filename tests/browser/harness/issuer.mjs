// Owns an identity provider of a test: its keys, its JWKS in a file or over HTTP, and what it signs. Never judges a token.

import { generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:http";

/** @typedef {"EdDSA" | "ES256"} Algorithm */

export const ALGORITHMS = /** @type {const} */ (["EdDSA", "ES256"]);

export class Issuer {
  name;
  #keys = {
    EdDSA: generateKeyPairSync("ed25519"),
    ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  };

  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  /** The public keys (RFC 7517), in JSON. */
  get jwks() {
    const keys = ALGORITHMS.map((alg) => ({ ...this.#keys[alg].publicKey.export({ format: "jwk" }), alg, kid: alg, use: "sig" }));
    return JSON.stringify({ keys });
  }

  /** Tells its public keys on this machine. */
  async tell() {
    const server = createServer((_, response) => response.setHeader("content-type", "application/json").end(this.jwks));
    await new Promise((done) => server.listen(0, "127.0.0.1", () => done(undefined)));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the issuer has no port");
    return { url: `http://127.0.0.1:${address.port}/jwks.json`, close: () => void server.close() };
  }

  /**
   * A token for all that one may do in the room `demo`.
   * @param {Algorithm} algorithm
   * @param {{named?: string, issuer?: string, expiresInS?: number}} [how] `named`: what the header says of the algorithm and the key
   */
  token(algorithm, { named = algorithm, issuer = this.name, expiresInS = 600 } = {}) {
    const claims = { iss: issuer, sub: "ada", exp: Math.floor(Date.now() / 1000) + expiresInS, video: { room: "demo", roomJoin: true } };
    const text = [{ alg: named, kid: named, typ: "JWT" }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
    const { privateKey } = this.#keys[algorithm];
    const signature = algorithm === "EdDSA" ? sign(null, Buffer.from(text), privateKey) : sign("sha256", Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${text}.${signature.toString("base64url")}`;
  }
}
