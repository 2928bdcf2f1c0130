import { Secret } from '@app/kernel';
import { orCannotKeep } from './cannot-keep';
import type { PrivateFolder } from './private-files';

const FILE = 'sign-in.json';
/** More than two tokens take, in bytes. */
const ROOM = 16_384;

/** What a profile has of its sign-in. */
export interface StoredSignIn {
  readonly accessToken: Secret<string>;
  readonly refreshToken: Secret<string>;
}

/** The file of a profile's tokens. A file that does not read is as good as none: the way out is the same. */
export class SignInFile {
  constructor(private readonly folder: PrivateFolder) {}

  read(): StoredSignIn | undefined {
    const text = this.folder.read(FILE);
    if (text === undefined) return undefined;
    try {
      const { accessToken, refreshToken } = JSON.parse(text) as Record<string, unknown>;
      if (typeof accessToken !== 'string' || typeof refreshToken !== 'string') return undefined;
      return { accessToken: new Secret(accessToken), refreshToken: new Secret(refreshToken) };
    } catch {
      return undefined;
    }
  }

  write(signIn: StoredSignIn): void {
    this.folder.write(FILE, textOf(signIn));
  }

  /** Takes the room for tokens that are about to come; one of the two is done, once. @throws CannotKeep */
  reserve(): { keep(signIn: StoredSignIn): void; release(): void } {
    const file = orCannotKeep(this.folder.path, () => this.folder.reserve(FILE, ROOM));
    return { keep: (signIn) => file.write(textOf(signIn)), release: () => file.release() };
  }

  remove(): void {
    this.folder.remove(FILE);
  }
}

const textOf = ({ accessToken, refreshToken }: StoredSignIn): string =>
  JSON.stringify({ accessToken: accessToken.reveal(), refreshToken: refreshToken.reveal() });
