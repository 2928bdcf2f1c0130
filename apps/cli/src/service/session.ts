import { Secret } from '@app/kernel';
import { NotSignedIn, ProblemReply } from '../failure';
import { withLock } from '../state/lock';
import type { PrivateFolder } from '../state/private-files';
import { SignInFile, type StoredSignIn } from '../state/sign-in';
import type { Http } from './http';
import type { TokenPair } from './shapes';

const LOCK = 'lock';

/** The tokens of one profile at one service. */
export class Session {
  readonly #file: SignInFile;

  constructor(
    private readonly folder: PrivateFolder,
    private readonly http: Http,
  ) {
    this.#file = new SignInFile(folder);
  }

  get isSignedIn(): boolean {
    return this.#file.read() !== undefined;
  }

  /** @throws NotSignedIn */
  accessToken(): Secret<string> {
    const stored = this.#file.read();
    if (!stored) throw new NotSignedIn('you are not signed in');
    return stored.accessToken;
  }

  /**
   * A token in place of one that is not accepted any more. A refresh token is used once, and a second use ends the whole
   * sign-in, so of several processes one refreshes and the others take what it got.
   *
   * @throws NotSignedIn when the sign-in has ended
   */
  async renew(stale: Secret<string>): Promise<Secret<string>> {
    return withLock(this.folder, LOCK, async () => {
      const stored = this.#file.read();
      if (!stored) throw new NotSignedIn('you are not signed in');
      if (stored.accessToken.reveal() !== stale.reveal()) return stored.accessToken;
      // The service takes a refresh token once: what could not be kept would be the end of the sign-in.
      const place = this.#file.reserve();
      const renewed = await this.#refresh(stored).catch((error: unknown) => {
        place.release();
        throw error;
      });
      place.keep(renewed);
      return renewed.accessToken;
    });
  }

  async begin(pair: TokenPair): Promise<void> {
    await withLock(this.folder, LOCK, async () => this.#file.write(secretPair(pair)));
  }

  /** Forgets the tokens. */
  async end(): Promise<void> {
    await withLock(this.folder, LOCK, async () => this.#file.remove());
  }

  async #refresh({ refreshToken }: StoredSignIn): Promise<StoredSignIn> {
    try {
      const body = { refreshToken: refreshToken.reveal() };
      const { body: pair } = await this.http.send({ method: 'POST', path: '/v1/tokens', body });
      return secretPair(pair as TokenPair);
    } catch (error) {
      if (!(error instanceof ProblemReply) || error.kind !== 'unauthenticated') throw error;
      this.#file.remove();
      throw new NotSignedIn('your sign-in has ended');
    }
  }
}

function secretPair({ accessToken, refreshToken }: TokenPair): StoredSignIn {
  if (typeof accessToken !== 'string' || typeof refreshToken !== 'string')
    throw new TypeError('the service sent no tokens');
  return { accessToken: new Secret(accessToken), refreshToken: new Secret(refreshToken) };
}
