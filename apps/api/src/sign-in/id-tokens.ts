import { createRemoteJWKSet, customFetch, errors, jwtVerify, type RemoteJWKSet } from 'jose';
import { z } from 'zod';
import { Clock, type AppError } from '@app/kernel';
import type { Proof } from '@app/identity';
import { providerFetch } from './provider-fetch';
import { AuthTimeMissing, ProofNotAccepted, ProviderUnavailable } from './sign-in.errors';

/** Signatures with a public key only: no `none`, and nothing that our own client secret could sign. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/** An ID token is fetched as soon as it is made. */
const MAX_AGE_SECONDS = 600;
const LEEWAY_SECONDS = 30;

const claims = z.looseObject({ sub: z.string(), auth_time: z.int().positive().optional() });

export interface KeyCacheOptions {
  /** Keys are fetched again after this long, in seconds. */
  readonly maxAgeSeconds: number;
  /** An unknown key makes us fetch no sooner than this after the last time, in seconds. */
  readonly cooldownSeconds: number;
}

/** Verifies the ID tokens of one provider, by the one clock. */
export class IdTokens {
  #keys: { readonly uri: string; readonly get: RemoteJWKSet } | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly cache: KeyCacheOptions,
  ) {}

  /** @returns the proof, or why it is none */
  async verify(token: string, expected: { issuer: string; audience: string; keys: string }): Promise<Proof | AppError> {
    try {
      const { payload } = await jwtVerify(token, this.#keySet(expected.keys), {
        algorithms: ALGORITHMS,
        issuer: expected.issuer,
        audience: expected.audience,
        requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat'],
        maxTokenAge: MAX_AGE_SECONDS,
        clockTolerance: LEEWAY_SECONDS,
        currentDate: this.clock.now(),
      });
      return this.#proof(claims.parse(payload));
    } catch (error) {
      return isAboutToken(error) ? new ProofNotAccepted(error) : new ProviderUnavailable(error);
    }
  }

  #proof(payload: z.infer<typeof claims>): Proof | AppError {
    const { sub: subject, auth_time: seconds } = payload;
    if (seconds === undefined) return new AuthTimeMissing();
    if (seconds * 1_000 > this.clock.milliseconds() + LEEWAY_SECONDS * 1_000)
      return new ProofNotAccepted(new Error('auth_time lies in the future'));
    return { subject, authenticatedAt: new Date(seconds * 1_000), claims: payload };
  }

  #keySet(uri: string): RemoteJWKSet {
    if (this.#keys?.uri !== uri) {
      const get = createRemoteJWKSet(new URL(uri), {
        cacheMaxAge: this.cache.maxAgeSeconds * 1_000,
        cooldownDuration: this.cache.cooldownSeconds * 1_000,
        [customFetch]: providerFetch,
      });
      this.#keys = { uri, get };
    }
    return this.#keys.get;
  }
}

const isAboutToken = (error: unknown): boolean =>
  error instanceof z.ZodError ||
  error instanceof errors.JWTInvalid ||
  error instanceof errors.JWTExpired ||
  error instanceof errors.JWTClaimValidationFailed ||
  error instanceof errors.JWSInvalid ||
  error instanceof errors.JWSSignatureVerificationFailed ||
  error instanceof errors.JOSEAlgNotAllowed ||
  error instanceof errors.JOSENotSupported ||
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWKSMultipleMatchingKeys;
