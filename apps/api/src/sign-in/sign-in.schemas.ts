import { z } from 'zod';
import { IDENTITY_KINDS } from '@app/identity';

const token = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'a token of 43 characters, as it was given');
const seconds = z.int().positive();
const instant = z.iso.datetime({ precision: 3 });

export const signInParameter = z.strictObject({ id: z.uuid() });

export const beginSignIn = z.strictObject({
  maxAgeSeconds: z
    .int()
    .min(0)
    .max(31_622_400)
    .optional()
    .describe('How long ago the person may have proved who they are; 0 asks for the password in any case.'),
});

export const begunSignIn = z
  .object({
    id: z.uuid(),
    handle: token.describe('Shown to collect the tokens. Keep it secret.'),
    userCode: z.string(),
    verificationUri: z.url(),
    verificationUriComplete: z.url().optional().describe('The same, with the code in it.'),
    intervalSeconds: seconds.describe('How long to wait before the first poll, and between two.'),
    expiresInSeconds: seconds,
  })
  .meta({ id: 'BegunSignIn' });

export const collectTokens = z.strictObject({ handle: token });

export const pendingSignIn = z
  .object({ state: z.literal('pending'), retryAfterSeconds: seconds })
  .meta({ id: 'PendingSignIn' });

export const refreshTokens = z.strictObject({ refreshToken: token });

export const tokens = z
  .object({
    tokenType: z.literal('Bearer'),
    accessToken: z.string(),
    accessExpiresInSeconds: seconds,
    refreshToken: token.describe('Used once: the answer has the next one. Using it again ends the sign-in.'),
    signInEndsAt: instant.describe('No refreshing goes beyond it.'),
  })
  .meta({ id: 'Tokens' });

export const me = z
  .object({
    id: z.uuid(),
    kind: z.enum(IDENTITY_KINDS),
    connection: z.string(),
    subject: z.string().describe('What the connection calls this identity.'),
    name: z.string(),
    email: z.string().nullable(),
    groups: z.array(z.string()),
    signIn: z.object({ id: z.uuid(), signedInAt: instant, endsAt: instant }),
  })
  .meta({ id: 'Me' });
