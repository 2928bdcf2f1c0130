import type { DataSource } from 'typeorm';
import { AppError, Secret } from '@app/kernel';
import { SealBroken, Sealer } from '@app/platform';
import type { Credential, Proof, ProofCheck } from '@app/providers';
import { proofContext } from './credentials.service';

/** The target was looked at, and does not show that it is over. The grant stays `ending`. */
export class EndNotProven extends AppError {
  constructor(proof: Proof) {
    super({
      kind: 'unavailable',
      code: `access.end_${proof.verdict === 'alive' ? 'not_done' : 'not_proven'}`,
      message: 'the target does not show that the grant has ended',
      details: { checks: proof.checks.filter((check) => check.verdict !== 'ended') },
    });
  }
}

/** The target's connection leads to another server than the one on which the grant was made, or the stray was found. */
export class AnotherServer extends AppError {
  constructor() {
    super({
      kind: 'unavailable',
      code: 'access.another_server',
      message: 'the target is not the server on which this was made or found',
      advice: 'Let the target point to that server again: `curfew targets add --replace --moved`.',
    });
  }
}

const COPY_BROKEN: ProofCheck = {
  check: 'the password that was handed out is refused',
  verdict: 'unknown',
  answer: 'not tried: the proof copy does not open under the key of this process',
};

/** What the proof of one grant's end rests on, besides what the target says. */
export interface Ground {
  /** What was handed over, as far as it is held and is to be tried. */
  readonly copy: Secret<Credential> | 'broken' | undefined;
  /** The server on which it was made, where the target says which it is. */
  readonly server: string | undefined;
}

/** Reads what proofs are judged by. */
export class ProofGrounds {
  constructor(
    private readonly database: DataSource,
    /** With the key that only the prover has. */
    private readonly sealer: Sealer,
  ) {}

  /**
   * By the grant's id.
   *
   * @param copies of which grants the password is tried: of every one that is held, or of those only that somebody picked up
   */
  async of(grantIds: readonly string[], copies: 'held' | 'picked up'): Promise<ReadonlyMap<string, Ground>> {
    const rows = await this.database.query<
      { id: string; version: number | null; sealed: Buffer | null; server: string | null }[]
    >(
      `SELECT asked.id, newest.version, newest.sealed, made.made_on AS server FROM unnest($1::uuid[]) AS asked (id)
       LEFT JOIN LATERAL (SELECT version, proof_sealed AS sealed FROM credentials WHERE grant_id = asked.id
         AND ($2 OR EXISTS (SELECT FROM credentials c WHERE c.grant_id = asked.id AND c.picked_up_at IS NOT NULL))
         ORDER BY version DESC LIMIT 1) AS newest ON true
       JOIN grants made ON made.id = asked.id`,
      [grantIds, copies === 'held'],
    );
    const grounds = rows.map(async ({ id, version, sealed, server }): Promise<[string, Ground]> => {
      const copy =
        version === null || sealed === null ? undefined : await this.#open(sealed, proofContext(id, version));
      return [id, { copy, server: server ?? undefined }];
    });
    return new Map(await Promise.all(grounds));
  }

  /** Access ends without it too: a copy that does not open is one that is not held, and the evidence says so. */
  async #open(sealed: Buffer, context: string): Promise<Secret<Credential> | 'broken'> {
    try {
      const text = await this.sealer.open(sealed, context);
      return new Secret(JSON.parse(text.reveal()) as Credential);
    } catch (error) {
      if (error instanceof SealBroken) return 'broken';
      throw error;
    }
  }
}

const ELSEWHERE: ProofCheck = {
  check: 'the target is the server on which it was made',
  verdict: 'unknown',
  answer: 'it is another one: what is seen there shows nothing',
};

/** What a provider is given to try. */
export const tried = ({ copy }: Ground): { proofCopy?: Secret<Credential> } =>
  copy === undefined || copy === 'broken' ? {} : { proofCopy: copy };

/** The proof as the evidence has it. */
export const onRecord = (proof: Proof, { copy }: Ground): Proof =>
  copy === 'broken' ? { ...proof, checks: [...proof.checks, COPY_BROKEN] } : proof;

/** Why this does not prove the end. What is absent on another server proves nothing about the one on which it was made. */
export function objectionTo(proof: Proof, { server }: Ground): AppError | undefined {
  if (proof.verdict !== 'ended') return new EndNotProven(proof);
  return isAnother(proof.server, server) ? new AnotherServer() : undefined;
}

/** What was seen, for whoever wants to know why it does not prove the end. */
export const seenOf = (proof: Proof, ground: Ground): readonly ProofCheck[] =>
  isAnother(proof.server, ground.server) ? [ELSEWHERE] : onRecord(proof, ground).checks;

/** Two that are known, and are not the same. */
export const isAnother = (server: string | undefined, meant: string | undefined): boolean =>
  server !== undefined && meant !== undefined && server !== meant;
