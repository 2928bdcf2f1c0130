import type { DataSource } from 'typeorm';
import { Secret } from '@app/kernel';
import type { Transaction } from '@app/platform';
import { Commitments } from './commitments';

/** Who acts, and through what: known to the database for the length of one transaction. */
export interface Act {
  /** The id of an identity, or the name of a process of ours. */
  readonly actor: string;
  /** `cli`, `api`, `worker`, … */
  readonly channel: string;
  /** The id that runs from the HTTP request to the provider's call. */
  readonly correlation: string;
  /** The client's address: recorded as a commitment. */
  readonly address?: string | undefined;
}

/** Every transaction that changes a state runs here: the triggers refuse it elsewhere. */
export class Recorder {
  constructor(
    private readonly database: DataSource,
    /** Only where addresses are known: in the api. */
    private readonly commitments?: Commitments,
  ) {}

  run<T>(act: Act, work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.database.transaction(async (tx) => {
      const address =
        act.address === undefined || !this.commitments
          ? ''
          : (await this.commitments.commit(tx, new Secret(act.address))).toString('hex');
      await tx.query(
        `SELECT set_config('curfew.actor', $1, true), set_config('curfew.channel', $2, true),
                set_config('curfew.correlation', $3, true), set_config('curfew.address', $4, true)`,
        [act.actor, act.channel, act.correlation, address],
      );
      return work(tx);
    });
  }
}
