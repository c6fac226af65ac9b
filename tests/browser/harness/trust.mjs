// Owns a certificate authority of a test: what it signs, and a browser's home in which it is trusted. Switches no check off.

import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

/** OpenSSL's own configuration would make every certificate one of an authority. */
const CONFIGURATION = "[req]\ndistinguished_name = name\n[name]\n";
const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

const DAYS = 2;

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
    const files = ["-keyout", authority.#file("authority.key"), "-out", authority.certificate];
    const all = ["-config", authority.#file("openssl.cnf"), ...KEY, "-days", String(DAYS), "-subj", "/CN=Chappe test authority", ...extensions];
    openssl("req", "-x509", ...all, ...files);
    return authority;
  }

  /** Of itself, in PEM. */
  get certificate() {
    return this.#file("authority.pem");
  }

  /**
   * A certificate for an address or a name, and its key.
   * @param {string} host
   * @param {{days?: number}} [life] how long it is good from now on; below zero: it has expired
   */
  certify(host, { days = DAYS } = {}) {
    const [certificate, key, request] = [this.#file(`${host}.pem`), this.#file(`${host}.key`), this.#file(`${host}.csr`)];
    const extensions = ["-addext", `subjectAltName=${isIP(host) ? "IP" : "DNS"}:${host}`, "-addext", "extendedKeyUsage=serverAuth"];
    openssl("req", "-new", "-config", this.#file("openssl.cnf"), ...KEY, "-subj", "/CN=A test", ...extensions, "-keyout", key, "-out", request);
    const signs = ["-CA", this.certificate, "-CAkey", this.#file("authority.key"), "-CAcreateserial", "-copy_extensions", "copy"];
    openssl("x509", "-req", "-in", request, ...signs, "-days", String(days), "-out", certificate);
    return { certificate, key };
  }

  async end() {
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** @param {string} name */
  #file(name) {
    return path.join(this.#folder, name);
  }
}

function openssl(/** @type {string[]} */ ...args) {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
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
