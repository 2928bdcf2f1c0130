import { createHash } from 'node:crypto';
import { UsageError } from '../failure';
import { PrivateFolder } from './private-files';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/;
export const DEFAULT_PROFILE = 'default';

/** @throws UsageError for what is not a profile's name */
export function parseProfile(name: string | undefined): string {
  if (name === undefined) return DEFAULT_PROFILE;
  if (!NAME.test(name))
    throw new UsageError('not a name for a profile', 'Letters, digits, and . _ - in between; 40 at most.');
  return name;
}

/**
 * Where a profile's sign-in at one service is kept: what one service gave is never shown to another.
 *
 * @param service its address, or what else there is one of
 */
export function profileFolder(stateFolder: string, profile: string, service: string): PrivateFolder {
  const hash = createHash('sha256').update(service).digest('hex').slice(0, 16);
  return new PrivateFolder(stateFolder).folder(`${profile}@${hash}`);
}

/** The service that a profile was last signed in to by name. */
export class LastService {
  readonly #folder: PrivateFolder;

  constructor(
    stateFolder: string,
    private readonly profile: string,
  ) {
    this.#folder = new PrivateFolder(stateFolder);
  }

  read(): string | undefined {
    return this.#folder.read(this.#file)?.trim() || undefined;
  }

  write(url: string): void {
    this.#folder.write(this.#file, `${url}\n`);
  }

  get #file(): string {
    return `${this.profile}.url`;
  }
}
