import { AppError, failpoint } from '@app/kernel';
import { Operations, type Operation, type Transaction } from '@app/platform';
import { AnotherServer, isAnother, objectionTo } from './proof-grounds';
import { digest } from './scope';
import { Stray } from './stray.entity';
import { strayMachine } from './stray.machine';
import { Work } from './work';

/** Something of a stray is still there, without power: somebody at the target has to let go of it. */
export class StrayRemains extends AppError {
  constructor(leftovers: readonly { what: string; why: string }[]) {
    super({
      kind: 'unavailable',
      code: 'access.stray_remains',
      message: 'something of a stray cannot be removed yet',
      details: { leftovers },
    });
  }
}

/** Takes away what bears our name at a target and belongs to no grant, and proves it, as the end of a grant is proven. */
export class Removal {
  constructor(private readonly work: Work) {}

  /** @throws AppError when the target does not answer, or shows no end: it is tried again, for ever */
  async attempt(operation: Operation): Promise<void> {
    const stray = await this.work.database.manager.findOneByOrFail(Stray, { id: operation.subjectId });
    if (!(await this.#begin(operation, stray))) return;
    failpoint('removal.begun');
    const { name, provider, access } = await this.work.reach.connected(stray.targetId);
    const ref = await this.work.reach.ref(stray.grantId);
    const told = { name, grant: stray.grantId };
    const server = stray.foundOn ?? undefined;
    // On another server what bears the name is another, and has its own ten minutes: nothing is touched there.
    const listed = await this.work.speak(operation, { ...told, step: 'list' }, () =>
      provider.list(access, ref.installation),
    );
    if (isAnother(listed.server, server)) throw new AnotherServer();
    const ended = await this.work.speak(operation, { ...told, step: 'end' }, () => provider.end(access, ref));
    failpoint('removal.ended');
    const proof = await this.work.speak(operation, { ...told, step: 'prove', outcome: ({ verdict }) => verdict }, () =>
      provider.prove(access, ref),
    );
    const objection = objectionTo(proof, { copy: undefined, server });
    if (objection) throw objection;
    if (ended.leftovers.length > 0) throw new StrayRemains(ended.leftovers);
    const evidence = { end: { steps: ended.steps }, proof: { checks: proof.checks, server: proof.server ?? null } };
    await this.#conclude(operation, stray, evidence);
    failpoint('removal.committed');
  }

  /** Writes down that it goes. @returns false when its time has not come, or there is nothing to remove */
  #begin(operation: Operation, { id, grantId }: Stray): Promise<boolean> {
    return this.#commit(operation, { id, grantId }, async (tx, stray) => {
      if (strayMachine.isFinal(stray.state)) await Operations.finish(tx, operation);
      else if (await isAnsweredFor(tx, grantId)) await clear(tx, operation, stray);
      else if (stray.state === 'found' && !(await condemn(tx, stray)))
        await Operations.rest(tx, operation, stray.removeAt);
      else {
        await Operations.hold(tx, operation, 'end');
        return true;
      }
      return false;
    });
  }

  #conclude(operation: Operation, { id, grantId }: Stray, evidence: object): Promise<void> {
    return this.#commit(operation, { id, grantId }, async (tx, stray) => {
      await Operations.finish(tx, operation);
      await tx.query(
        `UPDATE strays SET state = $2, revision = revision + 1, removed_at = clock_timestamp(), evidence = $3, evidence_digest = $4
         WHERE id = $1`,
        [id, strayMachine.next(stray.state, 'prove'), JSON.stringify(evidence), digest(evidence)],
      );
      failpoint('removal.written');
    });
  }

  /** Takes the stray before the operation, as whoever confirms a removal does. */
  #commit<T>(
    operation: Operation,
    { id, grantId }: Pick<Stray, 'id' | 'grantId'>,
    work: (tx: Transaction, stray: Stray) => Promise<T>,
  ): Promise<T> {
    return this.work.commit(
      operation,
      async (tx) => {
        await tx.query('SELECT FROM strays WHERE id = $1 FOR NO KEY UPDATE', [id]);
        return work(tx, await tx.findOneByOrFail(Stray, { id }));
      },
      grantId,
    );
  }
}

/** @returns whether its time has come */
async function condemn(tx: Transaction, { id, state }: Stray): Promise<boolean> {
  const [, affected] = await tx.query<[unknown[], number]>(
    `UPDATE strays SET state = $2, revision = revision + 1, removing_at = clock_timestamp()
     WHERE id = $1 AND remove_at <= clock_timestamp()`,
    [id, strayMachine.next(state, 'remove')],
  );
  return affected === 1;
}

/** There is a grant of this name after all, and what it made is its own. */
async function isAnsweredFor(tx: Transaction, grantId: string): Promise<boolean> {
  const rows = await tx.query<unknown[]>(
    `SELECT FROM grants WHERE id = $1 AND (state <> 'ended' OR leftovers <> '[]')`,
    [grantId],
  );
  return rows.length > 0;
}

async function clear(tx: Transaction, operation: Operation, { id, state }: Stray): Promise<void> {
  await Operations.finish(tx, operation);
  await tx.query(
    `UPDATE strays SET state = $2, revision = revision + 1, cleared_at = clock_timestamp() WHERE id = $1`,
    [id, strayMachine.next(state, 'clear')],
  );
}
