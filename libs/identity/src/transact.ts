import type { Transaction } from '@app/platform';

/**
 * Runs work in one transaction of the record: the triggers refuse a state change elsewhere. `actor` is the id of an
 * identity; `undefined` when nobody is known yet, and the caller names its own process instead.
 */
export type Transact = <T>(actor: string | undefined, work: (tx: Transaction) => Promise<T>) => Promise<T>;
