// Owns a certificate authority of a test: what it signs, and a browser's home in which it is trusted. Switches no check off.

import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

/** OpenSSL's own configuration would make every certificate one of an authority. */
const CONFIGURATION = "[req]\ndistinguished_name = name\n[name]\n";
const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

export class Authority {
  #folder;

  /** @param {string} folder */
  constructor(folder) {
    this.#folder = folder;
  }

  static async make() {
    const authority = new Authority(await mkdtemp(path.join(tmpdir(), "chappe-authority-")));
    await writeFile(authority.#file("openssl.cnf"), CONFIGURATION);
    const extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"];
    authority.#sign(["-subj", "/CN=Chappe test authority", ...extensions], authority.certificate, authority.#file("authority.key"));
    return authority;
  }

  /** Of itself, in PEM. */
  get certificate() {
    return this.#file("authority.pem");
  }

  /**
   * A certificate for an address or a name, and its key.
   * @param {string} host
   */
  certify(host) {
    const [certificate, key] = [this.#file(`${host}.pem`), this.#file(`${host}.key`)];
    const extensions = ["-addext", `subjectAltName=${isIP(host) ? "IP" : "DNS"}:${host}`, "-addext", "extendedKeyUsage=serverAuth"];
    this.#sign(["-CA", this.certificate, "-CAkey", this.#file("authority.key"), "-subj", "/CN=A test", ...extensions], certificate, key);
    return { certificate, key };
  }

  async end() {
    await rm(this.#folder, { recursive: true, force: true });
  }

  /**
   * @param {string[]} args
   * @param {string} certificate
   * @param {string} key
   */
  #sign(args, certificate, key) {
    const all = ["req", "-x509", "-config", this.#file("openssl.cnf"), ...KEY, "-days", "2", "-keyout", key, "-out", certificate, ...args];
    execFileSync("openssl", all, { stdio: ["ignore", "ignore", "pipe"] });
  }

  /** @param {string} name */
  #file(name) {
    return path.join(this.#folder, name);
  }
}

/**
 * A home directory of which Chromium reads that it trusts this authority (`home` of `launch`), as it does of a person's.
 * @param {string} certificate in PEM
 * @returns {Promise<{home: string, end: () => Promise<void>}>}
 */
export async function homeThatTrusts(certificate) {
  const home = await mkdtemp(path.join(tmpdir(), "chappe-home-"));
  const database = path.join(home, ".pki/nssdb");
  await mkdir(database, { recursive: true });
  const certutil = (/** @type {string[]} */ ...args) => execFileSync("certutil", ["-d", `sql:${database}`, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  certutil("-N", "--empty-password");
  certutil("-A", "-t", "C,,", "-n", "of a test", "-i", certificate);
  return { home, end: () => rm(home, { recursive: true, force: true }) };
}
