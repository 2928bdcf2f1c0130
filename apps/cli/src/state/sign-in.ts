import { Secret } from '@app/kernel';
import type { PrivateFolder } from './private-files';

const FILE = 'sign-in.json';

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

  write({ accessToken, refreshToken }: StoredSignIn): void {
    this.folder.write(FILE, JSON.stringify({ accessToken: accessToken.reveal(), refreshToken: refreshToken.reveal() }));
  }

  remove(): void {
    this.folder.remove(FILE);
  }
}
