import type { DataSource } from 'typeorm';
import { Secret } from '@app/kernel';
import { randomToken, type Transaction } from '@app/platform';
import { ACCESS_TOKEN_SECONDS, AccessTokens } from './access-tokens.service';
import { sha256 } from './hash';
import { RefreshTokenRefused } from './identity.errors';
import { RefreshToken } from './refresh-token.entity';
import { signInMachine, type SignInEndReason } from './sign-in.machine';
import type { Transact } from './transact';

/** What a client holds. The access token is short; the refresh token is used once, and gives the next pair. */
export interface TokenPair {
  readonly accessToken: Secret<string>;
  readonly accessExpiresInSeconds: number;
  readonly refreshToken: Secret<string>;
  /** The end of the sign-in: no refreshing goes beyond it. */
  readonly signInEndsAt: Date;
}

/** A completed sign-in, as far as its tokens need it. */
export interface Family {
  readonly signInId: string;
  readonly identityId: string;
  readonly signedInAt: Date;
  readonly endsAt: Date;
}

/** The family of tokens of a sign-in. A refresh token that is used a second time ends all of it: one of the two who had it stole it. */
export class Tokens {
  constructor(
    private readonly database: DataSource,
    private readonly accessTokens: AccessTokens,
    /** How long a sign-in can be refreshed. */
    readonly signInMaxSeconds: number,
  ) {}

  /** A new pair for a family that the caller knows to be alive. */
  async issue(tx: Transaction, family: Family): Promise<TokenPair> {
    const refreshToken = randomToken();
    await tx.insert(RefreshToken, { tokenHash: sha256(refreshToken), signInId: family.signInId });
    return {
      accessToken: await this.accessTokens.issue(family),
      accessExpiresInSeconds: ACCESS_TOKEN_SECONDS,
      refreshToken,
      signInEndsAt: family.endsAt,
    };
  }

  /** @throws RefreshTokenRefused; the family has ended when the token was used before */
  async refresh(transact: Transact, presented: Secret<string>): Promise<TokenPair> {
    const tokenHash = sha256(presented);
    const known = await this.database.manager.findOneBy(RefreshToken, { tokenHash });
    if (!known) throw new RefreshTokenRefused();
    const pair = await this.database.transaction(async (tx) => {
      // The family first, then the token: the order in which `end` takes them.
      const family = await livingFamily(tx, known.signInId);
      if (!family) return undefined;
      return (await useOnce(tx, tokenHash)) ? this.issue(tx, family) : 'used before';
    });
    if (pair === 'used before') await this.#endStolen(transact, known.signInId);
    if (!pair || pair === 'used before') throw new RefreshTokenRefused();
    return pair;
  }

  /** Ends the family, if it has not ended. */
  async end(tx: Transaction, signInId: string, reason: SignInEndReason): Promise<void> {
    await tx.query(
      `UPDATE sign_ins SET state = $2, end_reason = $3, revision = revision + 1 WHERE id = $1 AND state = ANY($4)`,
      [signInId, signInMachine.next('completed', 'end'), reason, signInMachine.from('end')],
    );
    // A token that is not there is refused as well.
    await tx.delete(RefreshToken, { signInId });
  }

  /** Forgets the tokens of this person's sign-ins that have ended. */
  async forgetEnded(tx: Transaction, identityId: string): Promise<void> {
    await tx.query(
      `DELETE FROM refresh_tokens USING sign_ins
       WHERE sign_ins.id = refresh_tokens.sign_in_id AND sign_ins.identity_id = $1 AND sign_ins.state = 'ended'`,
      [identityId],
    );
  }

  async #endStolen(transact: Transact, signInId: string): Promise<void> {
    const [row] = await this.database.query<{ identity_id: string }[]>(
      `SELECT identity_id FROM sign_ins WHERE id = $1 AND state = 'completed'`,
      [signInId],
    );
    if (row) await transact(row.identity_id, (tx) => this.end(tx, signInId, 'token_reused'));
  }
}

/** Of all who come with one token, at whatever time, one is told yes. */
async function useOnce(tx: Transaction, tokenHash: Buffer): Promise<boolean> {
  const [, affected] = await tx.query<[unknown[], number]>(
    'UPDATE refresh_tokens SET used_at = clock_timestamp() WHERE token_hash = $1 AND used_at IS NULL',
    [tokenHash],
  );
  return affected === 1;
}

/** The family, held so that it cannot end before this transaction is over. */
async function livingFamily(tx: Transaction, signInId: string): Promise<Family | undefined> {
  const [family] = await tx.query<Family[]>(
    `SELECT id AS "signInId", identity_id AS "identityId", signed_in_at AS "signedInAt", ends_at AS "endsAt"
     FROM sign_ins WHERE id = $1 AND state = 'completed' AND ends_at > clock_timestamp() FOR SHARE`,
    [signInId],
  );
  return family;
}
