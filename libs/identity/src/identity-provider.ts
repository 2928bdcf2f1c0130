import type { Secret } from '@app/kernel';
import type { AppError } from '@app/kernel';
import type { Connection } from './connection.entity';

/** What a person needs to sign in somewhere else than where they began (RFC 8628). */
export interface DeviceAuthorization {
  readonly deviceCode: Secret<string>;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete?: string | undefined;
  readonly intervalSeconds: number;
  readonly expiresInSeconds: number;
}

/** What a verified ID token says. */
export interface Proof {
  readonly subject: string;
  /** `auth_time`: when the person last proved who they are, not when the token was made. */
  readonly authenticatedAt: Date;
  /** All claims, as they came. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** `unproven`: the code is used up, and what came for it proves nothing. */
export type Redemption =
  | { readonly outcome: 'pending' | 'slow_down' | 'refused' | 'lapsed' }
  | { readonly outcome: 'proven'; readonly proof: Proof }
  | { readonly outcome: 'unproven'; readonly error: AppError };

/** The longest that one call may take, in seconds: nobody else asks for the same code meanwhile. */
export const PROVIDER_ANSWERS_WITHIN_SECONDS = 20;

/**
 * An OpenID provider, at the end of one connection. It answers or fails within {@link PROVIDER_ANSWERS_WITHIN_SECONDS}.
 *
 * - begin: asks for a person who proved who they are at most `maxAgeSeconds` ago, and for `auth_time`
 * - redeem: a proof comes only of an ID token with the right signature, issuer, audience, times and `auth_time`
 * - reach: goes through when the provider answers, and says what a provider says about itself
 * - all fail with kind `unavailable` when the provider does not answer, or not in a way that can be understood
 * - no token or code is in an error
 */
export abstract class IdentityProvider {
  abstract readonly connection: Connection;

  abstract begin(options: { maxAgeSeconds: number }): Promise<DeviceAuthorization>;
  abstract redeem(deviceCode: Secret<string>): Promise<Redemption>;
  abstract reach(): Promise<void>;
}
