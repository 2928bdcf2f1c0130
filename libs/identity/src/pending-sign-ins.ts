import type { DataSource } from 'typeorm';
import { Secret } from '@app/kernel';
import { Sealer, type Transaction } from '@app/platform';
import { sha256 } from './hash';
import { PROVIDER_ANSWERS_WITHIN_SECONDS } from './identity-provider';
import { SignIn } from './sign-in.entity';
import { signInMachine, type SignInState } from './sign-in.machine';

export interface NewSignIn {
  readonly id: string;
  readonly connectionId: string;
  readonly handle: Secret<string>;
  readonly deviceCode: Secret<string>;
  readonly intervalSeconds: number;
  readonly maxAgeSeconds: number;
  readonly lapsesInSeconds: number;
}

/** The right to ask the provider, held by one poll at a time. */
export interface Claim {
  readonly id: string;
  readonly deviceCode: Secret<string>;
  readonly intervalSeconds: number;
  readonly maxAgeSeconds: number;
  readonly createdAt: Date;
  /** Until when it is held; also what it is known by. */
  readonly nextPollAt: Date;
}

export interface Standing {
  readonly state: SignInState;
  readonly retryAfterSeconds: number;
}

/** RFC 8628, section 3.5: `slow_down` adds 5 seconds to the interval. */
const SLOWER_SECONDS = 5;
export const MAX_INTERVAL_SECONDS = 600;

/** The rows of sign-ins that wait for the provider. */
export class PendingSignIns {
  constructor(
    private readonly database: DataSource,
    private readonly sealer: Sealer,
  ) {}

  async open(tx: Transaction, made: NewSignIn): Promise<void> {
    await tx.insert(SignIn, {
      id: made.id,
      connectionId: made.connectionId,
      state: signInMachine.initial,
      revision: 1,
      deviceCodeSealed: await this.sealer.seal(made.deviceCode, contextOf(made.id)),
      handleHash: sha256(made.handle),
      pollIntervalSeconds: made.intervalSeconds,
      nextPollAt: fromNow(made.intervalSeconds),
      maxAgeSeconds: made.maxAgeSeconds,
      lapsesAt: fromNow(made.lapsesInSeconds),
    });
  }

  /** Takes the right to ask the provider, for as long as an answer may take; `undefined` when it is too early or too late. */
  async claim(id: string, handle: Secret<string>): Promise<Claim | undefined> {
    const [rows] = await this.database.query<[ClaimedRow[], number]>(
      `UPDATE sign_ins SET next_poll_at = clock_timestamp() + make_interval(secs => $3)
       WHERE id = $1 AND handle_hash = $2 AND state = 'pending'
         AND next_poll_at <= clock_timestamp() AND lapses_at > clock_timestamp()
       RETURNING device_code_sealed AS sealed, poll_interval_seconds AS "intervalSeconds",
         max_age_seconds AS "maxAgeSeconds", created_at AS "createdAt", next_poll_at AS "nextPollAt"`,
      [id, sha256(handle), PROVIDER_ANSWERS_WITHIN_SECONDS],
    );
    const [row] = rows;
    if (!row) return undefined;
    const { sealed, ...claimed } = row;
    return { id, ...claimed, deviceCode: await this.sealer.open(sealed, contextOf(id)) };
  }

  /** Gives the right back: the next poll comes after the interval. @returns the interval */
  async giveBack(claim: Claim, options: { slower: boolean }): Promise<number> {
    const longer = claim.intervalSeconds + (options.slower ? SLOWER_SECONDS : 0);
    const interval = Math.min(MAX_INTERVAL_SECONDS, longer);
    await this.database.query(
      `UPDATE sign_ins SET poll_interval_seconds = $3::integer, next_poll_at = clock_timestamp() + make_interval(secs => $3::integer)
       WHERE id = $1 AND next_poll_at = $2 AND state = 'pending'`,
      [claim.id, claim.nextPollAt, interval],
    );
    return interval;
  }

  /** Where it stands, for whoever shows the handle. */
  async standing(id: string, handle: Secret<string>): Promise<Standing | undefined> {
    const [row] = await this.database.query<{ state: SignInState; late: boolean; wait: string }[]>(
      `SELECT state, lapses_at <= clock_timestamp() AS late,
         greatest(1, ceil(extract(epoch FROM next_poll_at - clock_timestamp()))) AS wait
       FROM sign_ins WHERE id = $1 AND handle_hash = $2`,
      [id, sha256(handle)],
    );
    if (!row) return undefined;
    const lapsed = row.state === 'pending' && row.late;
    return { state: lapsed ? 'lapsed' : row.state, retryAfterSeconds: Number(row.wait) };
  }

  /** Ends the waiting without a person. Whoever was first has settled it. */
  async settle(tx: Transaction, id: string, event: 'refuse' | 'lapse'): Promise<void> {
    await tx.query(
      `UPDATE sign_ins SET state = $2, revision = revision + 1, device_code_sealed = NULL WHERE id = $1 AND state = $3`,
      [id, signInMachine.next('pending', event), 'pending'],
    );
  }
}

type ClaimedRow = Omit<Claim, 'id' | 'deviceCode'> & { readonly sealed: Buffer };

const fromNow = (seconds: number) => () => `clock_timestamp() + make_interval(secs => ${Math.trunc(seconds)})`;

const contextOf = (id: string): string => `sign_ins.device_code_sealed:${id}`;
