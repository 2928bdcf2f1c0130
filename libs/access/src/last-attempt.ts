import type { Transaction } from '@app/platform';
import type { ProofCheck } from '@app/providers';

/** What came of one attempt to end a grant that did not prove it. */
export interface Attempted {
  /** What was done in it: nothing that is known of where the provider broke off. */
  readonly steps: readonly string[];
  /** What was seen in it: nothing where it did not come to that. */
  readonly checks: readonly ProofCheck[];
}

/** What an end that is not proven yet has come to. */
export interface LastAttempt extends Attempted {
  /** When it was tried last; RFC 3339, UTC, milliseconds. */
  readonly at: string;
  /** What was done in all attempts so far. */
  readonly steps: readonly string[];
}

/** How many steps are kept between attempts: an end is tried for ever, and a row is not endless. */
const MOST_STEPS = 50;
const MORE_STEPS = 'and more, in attempts after these';

/** What was done in earlier attempts and in this one, in order, and what was done again once. */
export const withEarlier = (earlier: LastAttempt | undefined, steps: readonly string[]): string[] => [
  ...new Set([...(earlier?.steps ?? []), ...steps]),
];

/** By the grant's id, of those whose end was tried before. The caller holds the grants. */
export async function lastAttempts(
  tx: Transaction,
  grantIds: readonly string[],
): Promise<ReadonlyMap<string, LastAttempt>> {
  const rows = await tx.query<{ id: string; last: LastAttempt }[]>(
    'SELECT id, last_attempt AS last FROM grants WHERE id = ANY($1) AND last_attempt IS NOT NULL',
    [grantIds],
  );
  return new Map(rows.map(({ id, last }) => [id, last]));
}

/** Writes down what came of attempts, by the grant's id. The caller holds the grants, and the work on them. */
export async function noteAttempts(tx: Transaction, attempts: ReadonlyMap<string, Attempted>): Promise<void> {
  const earlier = await lastAttempts(tx, [...attempts.keys()]);
  const noted = [...attempts].map(([id, { steps, checks }]) => {
    const all = withEarlier(earlier.get(id), steps);
    return { id, steps: all.length > MOST_STEPS ? [...all.slice(0, MOST_STEPS - 1), MORE_STEPS] : all, checks };
  });
  await tx.query(
    `UPDATE grants g SET last_attempt = jsonb_build_object('at',
       to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'steps', it.steps, 'checks', it.checks)
     FROM unnest($1::uuid[], $2::jsonb[], $3::jsonb[]) AS it (id, steps, checks)
     WHERE g.id = it.id AND g.state IN ('ending', 'stuck')`,
    [
      noted.map(({ id }) => id),
      noted.map(({ steps }) => JSON.stringify(steps)),
      noted.map(({ checks }) => JSON.stringify(checks)),
    ],
  );
}
