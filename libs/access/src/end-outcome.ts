import { failpoint } from '@app/kernel';
import { Operations, type Operation, type Transaction } from '@app/platform';
import type { Ended, Proof } from '@app/providers';
import { Evidence } from './evidence.entity';
import type { Grant } from './grant.entity';
import { grantMachine } from './grant.machine';
import { lastAttempts, withEarlier } from './last-attempt';
import { digest } from './scope';

/** A grant that this process is ending, and the work that it holds the lease on. */
export interface HeldEnding {
  readonly operation: Operation;
  readonly grant: Grant;
}

export interface ProvenEnding extends HeldEnding {
  readonly ended: Ended;
  readonly proof: Proof;
}

/** From here on nobody picks them up: what was not handed over is not readable any more. */
export async function withdrawCredentials(tx: Transaction, grantIds: readonly string[]): Promise<void> {
  await tx.query(
    `UPDATE credentials SET state = 'withdrawn', revision = revision + 1, sealed = NULL
     WHERE grant_id = ANY($1) AND state = 'ready'`,
    [grantIds],
  );
}

/** Writes down that they have ended, what was done for it in all attempts, and what shows it. The caller has finished their operations in the same transaction. */
export async function conclude(tx: Transaction, proven: readonly ProvenEnding[]): Promise<void> {
  const earlier = await lastAttempts(
    tx,
    proven.map(({ grant }) => grant.id),
  );
  const ends = proven.map(({ operation, grant, ended, proof }) => {
    const steps = withEarlier(earlier.get(grant.id), ended.steps);
    const evidence = { end: { steps, leftovers: ended.leftovers }, proof: { checks: proof.checks } };
    return { operation, grant, evidence, digest: digest(evidence) };
  });
  await recover(
    tx,
    ends.map(({ grant }) => grant),
  );
  const [, affected] = await tx.query<[unknown[], number]>(
    `UPDATE grants g SET state = $5, revision = g.revision + 1, ended_at = clock_timestamp(), evidence_digest = it.digest, leftovers = it.leftovers,
       last_attempt = NULL
     FROM unnest($1::uuid[], $2::integer[], $3::bytea[], $4::jsonb[]) AS it (id, revision, digest, leftovers)
     WHERE g.id = it.id AND g.revision = it.revision`,
    [
      ends.map(({ grant }) => grant.id),
      ends.map(({ grant }) => (grant.state === 'stuck' ? grant.revision + 1 : grant.revision)),
      ends.map((end) => end.digest),
      ends.map(({ evidence }) => JSON.stringify(evidence.end.leftovers)),
      grantMachine.next('ending', 'prove'),
    ],
  );
  if (affected !== ends.length) throw new Error('a grant moved on under its fence');
  await tx.query(
    `UPDATE credentials SET state = 'destroyed', revision = revision + 1, proof_sealed = NULL
     WHERE grant_id = ANY($1) AND state <> 'destroyed'`,
    [ends.map(({ grant }) => grant.id)],
  );
  await tx.insert(
    Evidence,
    ends.flatMap(({ grant: { id }, evidence }) => [
      { grantId: id, kind: 'end' as const, body: evidence.end },
      { grantId: id, kind: 'proof' as const, body: evidence.proof },
    ]),
  );
  for (const { operation, grant, evidence } of ends) {
    if (evidence.end.leftovers.length === 0) continue;
    const { id: subjectId, targetId } = grant;
    await Operations.request(tx, { kind: 'tidy', subjectId, targetId, correlation: operation.correlation });
  }
  failpoint('ending.written');
}

/** The target answers again. */
async function recover(tx: Transaction, grants: readonly Grant[]): Promise<void> {
  const stuck = grants.filter(({ state }) => state === 'stuck');
  if (stuck.length === 0) return;
  await tx.query(
    `UPDATE grants g SET state = $3, revision = g.revision + 1
     FROM unnest($1::uuid[], $2::integer[]) AS it (id, revision) WHERE g.id = it.id AND g.revision = it.revision`,
    [stuck.map(({ id }) => id), stuck.map(({ revision }) => revision), grantMachine.next('stuck', 'recover')],
  );
}
