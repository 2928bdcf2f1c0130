import type { Response } from 'express';
import type { z } from 'zod';
import type { TokenPair } from '@app/identity';
import type { tokens } from './sign-in.schemas';

/** Tokens on their way out, which nobody on it keeps (RFC 6749, section 5.1). */
export function shownTokens(pair: TokenPair, response: Response): z.infer<typeof tokens> {
  response.setHeader('Cache-Control', 'no-store');
  return {
    tokenType: 'Bearer',
    accessToken: pair.accessToken.reveal(),
    accessExpiresInSeconds: pair.accessExpiresInSeconds,
    refreshToken: pair.refreshToken.reveal(),
    signInEndsAt: pair.signInEndsAt.toISOString(),
  };
}
