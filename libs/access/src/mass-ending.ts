import { In } from 'typeorm';
import { failpoint } from '@app/kernel';
import { Batch, type Operation, type Transaction } from '@app/platform';
import { endsMany, type EndedMany, type EndsMany, type Provider } from '@app/providers';
import { conclude, withdrawCredentials, type HeldEnding, type ProvenEnding } from './end-outcome';
import { Grant } from './grant.entity';
import { noteAttempts, type Attempted } from './last-attempt';
import { objectionTo, onRecord, seenOf, tried, type ProofGrounds } from './proof-grounds';
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
    const { proven, later } = await this.#tried(mass, begun);
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

  /** Of those that it does not prove, it is written down how far it came. */
  async #tried(
    mass: Mass,
    begun: readonly HeldEnding[],
  ): Promise<{ proven: readonly ProvenEnding[]; later: ReadonlySet<string> }> {
    let came: ReadonlyMap<string, Attempted> = new Map(idsOf(begun).map((id) => [id, { steps: [], checks: [] }]));
    try {
      const { ended, later } = await this.#end(mass, begun);
      came = new Map([...ended].map(([id, { steps }]) => [id, { steps, checks: [] }]));
      failpoint('mass_ending.ended');
      const { proven, unproven } = await this.#prove(mass, begun, ended);
      came = unproven;
      failpoint('mass_ending.proven');
      return { proven, later: new Set(later) };
    } finally {
      await this.#note(mass, begun, came);
    }
  }

  async #note({ batch }: Mass, begun: readonly HeldEnding[], came: ReadonlyMap<string, Attempted>): Promise<void> {
    if (came.size === 0) return;
    await this.#commit(begun, async (tx) => {
      const ours = new Set((await batch.hold(tx, 'end')).map(({ subjectId }) => subjectId));
      await noteAttempts(tx, new Map([...came].filter(([id]) => ours.has(id))));
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
  ): Promise<{ proven: ProvenEnding[]; unproven: Map<string, Attempted> }> {
    const proven: ProvenEnding[] = [];
    const unproven = new Map<string, Attempted>();
    const gone = begun.filter(({ grant }) => ended.has(grant.id));
    if (gone.length === 0) return { proven, unproven };
    // A login for each would take longer than the ends: what nobody has picked up, nobody can try either.
    const grounds = await this.grounds.of(idsOf(gone), 'picked up');
    const refs = await this.work.reach.refs(idsOf(gone));
    const asked = refs.map((grant) => ({ grant, ...tried(of(grounds, grant.grantId)) }));
    const call = { name: target.name, step: 'prove', of: gone.length, renew: () => batch.renew() } as const;
    const proofs = await this.work.speak(batch.first, call, () => target.provider.proveMany(target.access, asked));
    for (const held of gone) {
      const { id } = held.grant;
      const [ground, proof] = [of(grounds, id), of(proofs, id)];
      if (objectionTo(proof, ground)) unproven.set(id, { steps: of(ended, id).steps, checks: seenOf(proof, ground) });
      else proven.push({ ...held, ended: of(ended, id), proof: onRecord(proof, ground) });
    }
    return { proven, unproven };
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
