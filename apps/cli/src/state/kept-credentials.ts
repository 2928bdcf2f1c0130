import type { PickedUp } from '../service/shapes';
import { orCannotKeep } from './cannot-keep';
import type { PrivateFolder } from './private-files';

/** A credential that was picked up, as it is kept until its grant ends. */
export interface KeptCredential extends PickedUp {
  /** `target/entitlement` */
  readonly entitlement: string;
  /** The version that the grant said it was. */
  readonly version: number;
  /** How far the service's clock was ahead of this machine's at pick-up at least, in milliseconds. */
  readonly aheadMs: number;
}

const FOLDER = 'credentials';
const FILE = 'credential.json';
/** More than a credential with its certificates takes, in bytes. */
const ROOM = 65_536;
const BEING_KEPT_MS = 60_000;
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Where a credential is about to be kept: one of the two is done, once. */
export interface Place {
  keep(credential: KeptCredential): void;
  release(): void;
}

/** The credentials that this profile has picked up, a folder for each grant. */
export class KeptCredentials {
  readonly #folder: PrivateFolder;

  constructor(profile: PrivateFolder) {
    this.#folder = profile.folder(FOLDER);
  }

  find(grantId: string): KeptCredential | undefined {
    const text = this.#of(grantId).read(FILE);
    if (text === undefined) return undefined;
    try {
      const kept = JSON.parse(text) as KeptCredential;
      return typeof kept.endsAt === 'string' && typeof kept.version === 'number' ? kept : undefined;
    } catch {
      return undefined;
    }
  }

  /** The grants of which something is kept. */
  ids(): string[] {
    return this.#folder.list().filter((id) => ID.test(id));
  }

  /** The grants that a text names: an entitlement, or the beginning of an id. */
  named(text: string): string[] {
    return this.ids().filter((id) => id.startsWith(text) || this.find(id)?.entitlement === text);
  }

  /** Takes the room for what is about to be picked up. @throws CannotKeep */
  reserve(grantId: string): Place {
    const folder = this.#of(grantId);
    const file = orCannotKeep(folder.path, () => folder.reserve(FILE, ROOM));
    return { keep: (credential) => file.write(JSON.stringify(credential)), release: () => file.release() };
  }

  /** Writes what the client wants as a file. @returns its path */
  keepFile(grantId: string, variable: string, content: string): string {
    const folder = this.#of(grantId);
    folder.write(variable, content);
    return folder.file(variable);
  }

  forget(grantId: string): void {
    this.#folder.remove(folderName(grantId));
  }

  forgetAll(): void {
    for (const name of this.#folder.list()) this.#folder.remove(name);
  }

  /** Forgets what cannot work any more. @param now the service's time, as far as one can say for this one */
  forgetExpired(now: (kept: KeptCredential) => number): void {
    for (const grantId of this.ids()) {
      const kept = this.find(grantId);
      if (kept ? Date.parse(kept.endsAt) <= now(kept) : this.#isLeftOver(grantId)) this.forget(grantId);
    }
  }

  /** Nothing that can be used, and not about to be: another process may be keeping something there in this moment. */
  #isLeftOver(grantId: string): boolean {
    return this.#folder.ageMs(folderName(grantId)) > BEING_KEPT_MS;
  }

  #of(grantId: string): PrivateFolder {
    return this.#folder.folder(folderName(grantId));
  }
}

/** An id comes from the service: it must not lead anywhere else. */
function folderName(grantId: string): string {
  if (!ID.test(grantId)) throw new RangeError('the id of a grant is a UUID');
  return grantId;
}
