import type { Secret } from '@app/kernel';
import type { Credential, EntitlementConfig, Provider, TargetAccess } from '@app/providers';

/** Recorded use of a credential. */
export interface LiveUse {
  /** Whether the target still serves it. */
  isAlive(): Promise<boolean>;
}

/** A provider and a target to try it on. */
export interface ContractSubject {
  readonly provider: Provider;
  readonly target: TargetAccess;
  readonly entitlement: EntitlementConfig;
  /** The same target, with a password of ours that is wrong. */
  readonly refused: TargetAccess;
  /** A target at which nobody answers. */
  readonly unreachable: TargetAccess;
  /** A target at which any password opens, and what to ask for there. */
  readonly trusting: { readonly target: TargetAccess; readonly entitlement: EntitlementConfig };
  /** The same target for one call, over a line that breaks after so many steps: the last one arrives, its answer does not. */
  interrupted(steps: number): Promise<TargetAccess>;
  /** Logs in with what was handed over. @throws when the target refuses */
  use(credential: Secret<Credential>): Promise<LiveUse>;
  /** The database's time, which is the target's here unless a test says otherwise. */
  readonly clock: () => Date;
  /** The target's own time. */
  now(): Promise<Date>;
  /** Returns when the target's own time is past the instant. */
  reach(instant: Date): Promise<void>;
  /** Secrets of the target itself. */
  readonly secrets: readonly string[];
  close(): Promise<void>;
}
