import { AppError, Clock, failpoint } from '@app/kernel';
import { correlated, LeaseLost, Operations, type Operation } from '@app/platform';
import { Activation } from './activation';
import { Ending } from './ending';
import { Grant } from './grant.entity';
import { MassEnding } from './mass-ending';
import { Reevaluation } from './reevaluation';
import { Removal } from './removal';
import { Work } from './work';

export interface ReconcilerOptions {
  /** How long an end may take before its grant is stuck. */
  readonly stuckAfterSeconds: number;
  /** The longest pause between two attempts. */
  readonly retryCapSeconds: number;
  /** The same for what is left without power after the end. */
  readonly tidyCapSeconds: number;
  readonly onError: (error: unknown, operation: Operation) => void;
}

/**
 * Looks at the row and takes its next step, whatever rang: a retry, a duplicate job, a lost ring, a crashed worker and
 * "revoke while activating" are all the same case.
 */
export class Reconciler {
  constructor(
    private readonly work: Work,
    private readonly steps: {
      readonly activation: Activation;
      readonly ending: Ending;
      readonly massEnding: MassEnding;
      readonly reevaluation: Reevaluation;
      readonly removal: Removal;
    },
    private readonly clock: Clock,
    private readonly options: ReconcilerOptions,
  ) {}

  /** Carries an operation out when this process can claim it. What goes wrong at the target is tried again later. */
  async carryOut(operationId: string): Promise<void> {
    const operation = await this.work.operations.claim(operationId);
    if (!operation) return;
    failpoint('operation.claimed');
    await correlated(operation.correlation, () => this.#take(operation));
  }

  #take(operation: Operation): Promise<void> {
    const { reevaluation, removal } = this.steps;
    if (operation.kind === 'reevaluate') return this.#aside(operation, () => reevaluation.attempt(operation));
    if (operation.kind === 'remove') return this.#aside(operation, () => removal.attempt(operation));
    return this.#reconcile(operation);
  }

  /** Work that is about no one grant. */
  async #aside(operation: Operation, act: () => Promise<void>): Promise<void> {
    await this.#attempt(operation, act, (code) =>
      this.work.operations.postpone(operation, doubling(operation, this.options.retryCapSeconds), code),
    );
  }

  async #reconcile(operation: Operation): Promise<void> {
    const grant = await this.work.database.manager.findOneByOrFail(Grant, { id: operation.subjectId });
    await this.#attempt(
      operation,
      () => this.#step(operation, grant),
      (code) => this.#later(operation, grant, code),
    );
  }

  async #attempt(
    operation: Operation,
    act: () => Promise<void>,
    later: (code: string) => Promise<void>,
  ): Promise<void> {
    try {
      await act();
    } catch (error) {
      // Another worker has it now, or it has another purpose: this outcome does not count.
      if (error instanceof LeaseLost) return;
      this.options.onError(error, operation);
      failpoint('operation.failed');
      await later(codeOf(error));
    }
  }

  async #step(operation: Operation, grant: Grant): Promise<void> {
    const { activation, ending } = this.steps;
    switch (grant.state) {
      case 'scheduled':
      case 'activating':
        return activation.attempt(operation, grant);
      case 'active':
        return operation.kind === 'replace' ? activation.replace(operation, grant) : this.#done(operation);
      case 'ending':
      case 'stuck':
        return this.#end(operation, grant);
      case 'ended':
        return grant.leftovers.length > 0 ? ending.tidy(operation, grant) : this.#done(operation);
      default:
        return grant.state satisfies never;
    }
  }

  /** Together with what else the same cause ends there; alone where nothing else does, or something stands in the way. */
  async #end(operation: Operation, grant: Grant): Promise<void> {
    const { ending, massEnding } = this.steps;
    const mass = await massEnding.take(operation, grant);
    if (!mass) return ending.attempt(operation, grant);
    try {
      const over = await massEnding.attempt(mass);
      if (over.has(grant.id)) return;
    } catch (error) {
      for (const other of mass.held)
        if (other.operation !== operation) await this.#later(other.operation, other.grant, codeOf(error));
      throw error;
    }
    await ending.attempt(operation, grant);
  }

  #done(operation: Operation): Promise<void> {
    return this.work.commit(operation, (tx) => Operations.finish(tx, operation));
  }

  async #later(operation: Operation, grant: Grant, code: string): Promise<void> {
    const stuckIn = this.#stuckInSeconds(grant);
    // Not later than it is stuck: that it is will be said then.
    const pause = Math.min(this.#pauseSeconds(operation, grant), stuckIn > 0 ? stuckIn : Infinity);
    await this.work.operations.postpone(operation, pause, code);
    failpoint('operation.postponed');
    if (stuckIn <= 0) await this.steps.ending.stall(operation, grant, code);
  }

  /** How long it may still be `ending`; for ever when it is not, or is known to be stuck. */
  #stuckInSeconds({ state, endingAt }: Grant): number {
    if (state !== 'ending' || !endingAt) return Infinity;
    return this.options.stuckAfterSeconds - (this.clock.milliseconds() - endingAt.getTime()) / 1_000;
  }

  /** A beginning is tried again well before the deadline that its last attempt set. */
  #pauseSeconds(operation: Operation, grant: Grant): number {
    const { retryCapSeconds, tidyCapSeconds } = this.options;
    if (grant.state === 'ended') return doubling(operation, tidyCapSeconds);
    const pause = doubling(operation, retryCapSeconds);
    return grant.endingAt ? pause : Math.min(pause, Math.max(0.25, grant.durationSeconds / 4));
  }
}

/** From a quarter of a second. */
const doubling = ({ attempt }: Operation, capSeconds: number): number =>
  Math.min(2 ** Math.min(attempt - 3, 20), capSeconds);

const codeOf = (error: unknown): string => (error instanceof AppError ? error.code : 'internal');
