import { In } from 'typeorm';
import { failpoint } from '@app/kernel';
import { Batch, type Operation, type Transaction } from '@app/platform';
import { endsMany, type EndedMany, type EndsMany, type Provider } from '@app/providers';
import { conclude, withdrawCredentials, type HeldEnding, type ProvenEnding } from './end-outcome';
import { Grant } from './grant.entity';
import { objectionTo, onRecord, tried, type ProofGrounds } from './proof-grounds';
import type { Connected, Work } from './work';

/** How many grants are ended by one call. */
const MOST = 2_000;

/** Endings of one cause on one target, in the hands of one worker. */
export interface Mass {
  readonly batch: Batch;
  readonly held: readonly HeldEnding[];
  readonly target: ConnectedMany;
}

type ConnectedMany = Connected & { readonly provider: Provider & EndsMany };

/**
 * Ends grants on one target together when one cause ends them: a deadline that they share, a policy that has changed. What
 * does not go through together is ended alone, as if this did not exist.
 */
export class MassEnding {
  constructor(
    private readonly work: Work,
    private readonly grounds: ProofGrounds,
  ) {}

  /** Takes what else the same cause ends at the same target. @returns nothing where the first is to be ended alone */
  async take(first: Operation, grant: Grant): Promise<Mass | undefined> {
    const batch = await Batch.about(this.work.operations, first, MOST);
    if (batch.others.length === 0) return undefined;
    const target = await this.work.reach.connected(grant.targetId);
    if (!canEndMany(target)) {
      await batch.giveBack(batch.others, 'alone');
      return undefined;
    }
    const held = await this.#held(batch);
    failpoint('mass_ending.taken');
    return { batch, held, target };
  }

  /**
   * Goes as far as it goes for all of them. What is left of the others is given back, to be ended alone.
   *
   * @returns the ids of the grants whose end is proven
   * @throws AppError when the target does not answer: then nothing is given back
   */
  async attempt(mass: Mass): Promise<ReadonlySet<string>> {
    const { batch } = mass;
    const begun = await this.#withdraw(mass);
    failpoint('mass_ending.withdrawn');
    const { ended, later: notYet } = await this.#end(mass, begun);
    const later = new Set(notYet);
    failpoint('mass_ending.ended');
    const proven = await this.#prove(mass, begun, ended);
    failpoint('mass_ending.proven');
    const over = await this.#conclude(mass, proven);
    failpoint('mass_ending.committed');
    const left = batch.others.filter(({ subjectId }) => !over.has(subjectId));
    await batch.giveBack(
      left.filter(({ subjectId }) => !later.has(subjectId)),
      'alone',
    );
    await batch.giveBack(
      left.filter(({ subjectId }) => later.has(subjectId)),
      'together',
    );
    return over;
  }

  async #held({ members }: Batch): Promise<HeldEnding[]> {
    const ids = members.map(({ subjectId }) => subjectId);
    const found = await this.work.database.manager.findBy(Grant, { id: In(ids), state: In(['ending', 'stuck']) });
    const grants = new Map(found.map((grant) => [grant.id, grant]));
    return members.flatMap((operation) => {
      const grant = grants.get(operation.subjectId);
      return grant ? [{ operation, grant }] : [];
    });
  }

  #withdraw({ batch, held }: Mass): Promise<HeldEnding[]> {
    return this.#commit(held, async (tx) => {
      const ours = new Set(await batch.hold(tx, 'end'));
      const begun = held.filter(({ operation }) => ours.has(operation));
      await withdrawCredentials(tx, idsOf(begun));
      return begun;
    });
  }

  async #end({ batch, target: { name, provider, access } }: Mass, begun: readonly HeldEnding[]): Promise<EndedMany> {
    if (begun.length === 0) return { ended: new Map(), later: [] };
    const refs = await this.work.reach.refs(idsOf(begun));
    const call = { name, step: 'end', of: begun.length, renew: () => batch.renew() } as const;
    return this.work.speak(batch.first, call, () => provider.endMany(access, refs));
  }

  async #prove(
    { batch, target }: Mass,
    begun: readonly HeldEnding[],
    ended: EndedMany['ended'],
  ): Promise<ProvenEnding[]> {
    const gone = begun.filter(({ grant }) => ended.has(grant.id));
    if (gone.length === 0) return [];
    // A login for each would take longer than the ends: what nobody has picked up, nobody can try either.
    const grounds = await this.grounds.of(idsOf(gone), 'picked up');
    const refs = await this.work.reach.refs(idsOf(gone));
    const asked = refs.map((grant) => ({ grant, ...tried(of(grounds, grant.grantId)) }));
    const call = { name: target.name, step: 'prove', of: gone.length, renew: () => batch.renew() } as const;
    const proofs = await this.work.speak(batch.first, call, () => target.provider.proveMany(target.access, asked));
    return gone.flatMap((held) => {
      const { id } = held.grant;
      const [ground, proof] = [of(grounds, id), of(proofs, id)];
      return objectionTo(proof, ground) ? [] : [{ ...held, ended: of(ended, id), proof: onRecord(proof, ground) }];
    });
  }

  async #conclude({ batch }: Mass, proven: readonly ProvenEnding[]): Promise<ReadonlySet<string>> {
    if (proven.length === 0) return new Set();
    return this.#commit(proven, async (tx) => {
      const finished = new Set(
        await batch.finish(
          tx,
          proven.map(({ operation }) => operation),
        ),
      );
      const over = proven.filter(({ operation }) => finished.has(operation));
      await conclude(tx, over);
      return new Set(idsOf(over));
    });
  }

  #commit<T>(held: readonly HeldEnding[], work: (tx: Transaction) => Promise<T>): Promise<T> {
    const [first] = held;
    if (!first) throw new Error('there is nothing to end');
    return this.work.commit(first.operation, work, idsOf(held));
  }
}

const canEndMany = (target: Connected): target is ConnectedMany => endsMany(target.provider);

const idsOf = (held: readonly HeldEnding[]): string[] => held.map(({ grant }) => grant.id);

function of<T>(said: ReadonlyMap<string, T>, id: string): T {
  const found = said.get(id);
  if (found === undefined) throw new Error(`nothing was said of grant ${id}`);
  return found;
}
