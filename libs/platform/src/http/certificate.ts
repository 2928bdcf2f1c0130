import { readFileSync, statSync } from 'node:fs';
import { AppError } from '@app/kernel';

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Pem {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** What TLS servers of Node have: a certificate that can be replaced while they run. */
interface SecureServer {
  setSecureContext(pem: Pem): void;
}

const LOOK_EVERY_MS = 30_000;

class CertificateUnreadable extends AppError {
  constructor(files: CertificateFiles, cause: unknown) {
    super({
      kind: 'invalid',
      code: 'platform.certificate_unreadable',
      message: 'the certificate or its key cannot be read',
      advice: 'TLS_CERT_FILE and TLS_KEY_FILE name files in PEM form that this process may read.',
      details: { ...files },
      cause,
    });
  }
}

/** The certificate of an edge, and its renewal: the files are looked at twice a minute. */
export class Certificate {
  #seen: string;

  /** @throws CertificateUnreadable */
  constructor(
    private readonly files: CertificateFiles,
    private readonly onError: (error: unknown) => void,
  ) {
    this.#seen = this.#stamp();
  }

  /** @throws CertificateUnreadable */
  get pem(): Pem {
    const { certFile, keyFile } = this.files;
    try {
      return { cert: readFileSync(certFile), key: readFileSync(keyFile) };
    } catch (error) {
      throw new CertificateUnreadable(this.files, error);
    }
  }

  /** Files that are changed half, or do not fit together, change nothing: the old certificate goes on. */
  renew(server: SecureServer): void {
    try {
      const stamp = this.#stamp();
      if (stamp === this.#seen) return;
      server.setSecureContext(this.pem);
      this.#seen = stamp;
    } catch (error) {
      this.onError(error);
    }
  }

  /** @returns what stops it */
  watch(server: SecureServer): () => void {
    const timer = setInterval(() => this.renew(server), LOOK_EVERY_MS).unref();
    return () => clearInterval(timer);
  }

  #stamp(): string {
    const { certFile, keyFile } = this.files;
    try {
      return [certFile, keyFile].map((file) => statSync(file).mtimeMs).join();
    } catch (error) {
      throw new CertificateUnreadable(this.files, error);
    }
  }
}
