import type { DataSource } from 'typeorm';
import type { AccessClaims } from './access-tokens.service';
import { PERSON, type Person } from './directory';
import { AccessTokenRefused } from './identity.errors';

/** Who is asking, by a sign-in that lives. */
export interface Caller extends Person {
  readonly signInId: string;
  /** When they proved who they are. */
  readonly signedInAt: Date;
  readonly signInEndsAt: Date;
}

/** Turns a verified token into somebody. */
export class Callers {
  constructor(private readonly database: DataSource) {}

  /** @throws AccessTokenRefused when the sign-in has ended, whatever the token says */
  async get({ identityId, signInId }: AccessClaims): Promise<Caller> {
    const [caller] = await this.database.query<Caller[]>(
      `SELECT ${PERSON}, s.id AS "signInId", s.signed_in_at AS "signedInAt", s.ends_at AS "signInEndsAt"
       FROM sign_ins s
       JOIN identities i ON i.id = s.identity_id
       JOIN connections c ON c.id = i.connection_id
       WHERE s.id = $1 AND i.id = $2 AND s.state = 'completed' AND s.ends_at > clock_timestamp()`,
      [signInId, identityId],
    );
    if (!caller) throw new AccessTokenRefused();
    return caller;
  }
}
