import { z } from 'zod';
import { SignInNotAccepted } from './identity.errors';
import type { Proof } from './identity-provider';

/** What Curfew takes from an ID token. */
export interface ClaimedPerson {
  readonly subject: string;
  readonly name: string;
  readonly email: string | null;
  /** The same, also when the provider says that it did not verify it. */
  readonly address: string | null;
  /** What the provider calls the person's groups. */
  readonly groups: readonly string[];
}

const MAX_GROUPS = 1_000;

// OpenID Connect Core 1.0, section 2: at most 255 ASCII characters.
const subject = z.string().regex(/^[\x20-\x7e]{1,255}$/);
const group = z.string().regex(/^[^\p{C}]{1,255}$/u);
const groups = z.union([group.transform((one) => [one]), z.array(group)]);

/**
 * Reads the claims of a proof. Groups are all or nothing: a `forbid` on a group that was left out would not hold.
 *
 * @throws SignInNotAccepted
 */
export function readClaims(proof: Proof, groupClaim: string | null): ClaimedPerson {
  const { claims } = proof;
  const known = subject.safeParse(proof.subject);
  if (!known.success) throw new SignInNotAccepted('claims', 'The provider must send `sub` as ASCII.');
  const address = addressOf(claims);
  const email = isVerified(claims) ? address : null;
  return {
    subject: known.data,
    name: firstText(claims['name'], claims['preferred_username'], email, known.data),
    email,
    address,
    groups: groupClaim === null ? [] : groupsOf(claims, groupClaim),
  };
}

function groupsOf(claims: Proof['claims'], claim: string): string[] {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
  if (value === undefined) {
    // Distributed claims (OpenID Connect Core 1.0, section 5.6.2): there are groups, and they are somewhere else.
    const elsewhere = z.looseObject({}).safeParse(claims['_claim_names']);
    if (!elsewhere.success || !Object.hasOwn(elsewhere.data, claim)) return [];
    throw new SignInNotAccepted('groups_missing', 'Let the provider send only the groups that Curfew needs.');
  }
  const read = groups.safeParse(value);
  if (!read.success) throw new SignInNotAccepted('claims', 'The group claim must be a list of names.');
  const names = [...new Set(read.data)];
  if (names.length > MAX_GROUPS)
    throw new SignInNotAccepted('too_many_groups', 'Let the provider send only the groups that Curfew needs.');
  return names;
}

function addressOf({ email }: Proof['claims']): string | null {
  return typeof email === 'string' && email.length <= 320 && /^[^\s@\p{C}]+@[^\s@\p{C}]+$/u.test(email) ? email : null;
}

/** An address that the provider says it did not verify is nobody's. */
const isVerified = ({ email_verified: verified }: Proof['claims']): boolean =>
  verified !== false && verified !== 'false';

/** The first that has something to read in it: one line, at most 200 characters. */
function firstText(...candidates: readonly unknown[]): string {
  for (const candidate of candidates) {
    if (typeof candidate !== 'string') continue;
    const line = candidate
      .toWellFormed()
      .replace(/[\p{C}\s]+/gu, ' ')
      .trim();
    if (line !== '') return Array.from(line).slice(0, 200).join('').trim();
  }
  return '-';
}
