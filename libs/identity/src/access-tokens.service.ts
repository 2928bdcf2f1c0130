import { randomUUID } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { Clock, Secret } from '@app/kernel';
import { AccessTokenRefused } from './identity.errors';
import { SigningKeys } from './signing-keys.service';

export const ACCESS_TOKEN_SECONDS = 600;
const AUDIENCE = 'curfew-api';
const TYPE = 'at+jwt';
const ALGORITHM = 'EdDSA';
const MAX_LENGTH = 2_048;

/** Whom an access token speaks for. Whether the sign-in still lives, the database says (`Callers`). */
export interface AccessClaims {
  readonly identityId: string;
  readonly signInId: string;
}

const claims = z.object({ sub: z.uuid(), sid: z.uuid(), auth_time: z.int().positive(), jti: z.uuid() });

/** Curfew's own access tokens (RFC 9068): short, signed with our own keys, judged by the one clock. */
export class AccessTokens {
  constructor(
    private readonly keys: SigningKeys,
    private readonly clock: Clock,
    /** The installation's id: two Curfews do not take each other's tokens. */
    private readonly installation: string,
  ) {}

  async issue({ identityId, signInId, signedInAt }: AccessClaims & { signedInAt: Date }): Promise<Secret<string>> {
    const { id, key } = await this.keys.signing();
    const now = Math.floor(this.clock.milliseconds() / 1_000);
    const token = await new SignJWT({ sid: signInId, auth_time: Math.floor(signedInAt.getTime() / 1_000) })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: id })
      .setIssuer(this.#issuer())
      .setAudience(AUDIENCE)
      .setSubject(identityId)
      .setJti(randomUUID())
      .setIssuedAt(now)
      .setExpirationTime(now + ACCESS_TOKEN_SECONDS)
      .sign(key.reveal());
    return new Secret(token);
  }

  /** The one way to believe a token. @throws AccessTokenRefused for anything that is not exactly what {@link issue} makes */
  async verify(token: Secret<string>): Promise<AccessClaims> {
    if (token.reveal().length > MAX_LENGTH) throw new AccessTokenRefused();
    try {
      const { payload } = await jwtVerify(token.reveal(), (header) => this.#key(header.kid), {
        algorithms: [ALGORITHM],
        typ: TYPE,
        issuer: this.#issuer(),
        audience: AUDIENCE,
        requiredClaims: ['sub', 'sid', 'auth_time', 'iat', 'exp', 'jti'],
        // Also refuses what was issued in the future.
        maxTokenAge: ACCESS_TOKEN_SECONDS,
        currentDate: this.clock.now(),
        // Two processes know the one clock to a few milliseconds, and tokens carry whole seconds.
        clockTolerance: 1,
      });
      const { sub, sid } = claims.parse(payload);
      return { identityId: sub, signInId: sid };
    } catch (error) {
      // What is wrong with the token is a refusal; what is wrong with us (a database that is away) is not.
      if (error instanceof errors.JOSEError || error instanceof z.ZodError) throw new AccessTokenRefused(error);
      throw error;
    }
  }

  async #key(kid: string | undefined) {
    const key = await this.keys.verifying(kid);
    if (!key) throw new AccessTokenRefused();
    return key;
  }

  #issuer(): string {
    return `urn:curfew:${this.installation}`;
  }
}
