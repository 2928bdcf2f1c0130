import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { Secret } from '@app/kernel';
import {
  grantOfObject,
  objectName,
  Provider,
  TargetForbidden,
  TargetInvalid,
  TargetUnavailable,
  type CheckReport,
  type Credential,
  type Ended,
  type EndingTraits,
  type EntitlementConfig,
  type GrantRef,
  type Issued,
  type IssueOrder,
  type Leftover,
  type Listed,
  type Proof,
  type ProofCheck,
  type TargetAccess,
} from '@app/providers';
import { FakeSystem, type Call, type FakeAccount } from './fake-system';

const connection = z.strictObject({
  /** Which of the fake's systems. */
  system: z.string().default('main'),
  /** The line breaks after so many steps of a call: the last one arrives, its answer does not. */
  breaksAfter: z.int().min(0).optional(),
});
const entitlement = z.strictObject({ right: z.string().min(1) });

/**
 * A target in memory that knows the rules of real ones: it ends logins at the deadline and lets sessions go on, a new
 * password replaces the old one, a closed door ends no session, answers get lost on the way. It keeps the contract, so
 * that what works with it works.
 *
 * `system()` is the target's own side: what is there, who is in, and what shall go wrong next.
 */
export class FakeTarget extends Provider {
  readonly kind = 'fake';
  readonly ending: EndingTraits = { enforcedBy: 'both', endsLiveSessions: true, outlivesBySeconds: 0 };
  readonly connection = connection;
  readonly entitlement = entitlement;
  readonly #systems = new Map<string, FakeSystem>();
  readonly #now: () => Date;

  /** @param now the targets' own clock */
  constructor(now: () => Date) {
    super();
    this.#now = now;
  }

  system(name = 'main'): FakeSystem {
    const system = this.#systems.get(name) ?? new FakeSystem(this.#now);
    this.#systems.set(name, system);
    return system;
  }

  protected systemOf(target: TargetAccess): FakeSystem {
    return this.system(connection.parse(target.connection).system);
  }

  /** How a target's file and password say where the system is. */
  access(name = 'main', more: { breaksAfter?: number } = {}): TargetAccess {
    return { connection: { system: name, ...more }, password: new Secret(this.system(name).adminPassword) };
  }

  issue(target: TargetAccess, order: IssueOrder): Promise<Issued> {
    const name = objectName(order.grant);
    const { right } = entitlement.parse(order.entitlement.config);
    return this.#call('issue', target, name, async (system, step) => {
      await step();
      await order.fence(this.#serverOf(target));
      await step();
      system.cutOffStarts(name, step.call);
      if (!system.rights.has(right)) throw new TargetInvalid('no_such_right', undefined, { right });
      const endsAt = this.#onOurClock(order);
      if (endsAt <= this.#now()) throw new TargetInvalid('deadline_has_passed');
      const password = randomBytes(18).toString('base64url');
      await step(() => system.put(name, { password, right, endsAt }));
      await step(() => system.login(name, password).leave());
      if (await step(() => letsIn(system, name, new Secret('wrong')))) throw new TargetInvalid('asks_for_no_password');
      const credential: Credential = {
        fields: { username: name, password },
        environment: { FAKE_USER: name, FAKE_PASSWORD: password },
      };
      return {
        credential: new Secret(credential),
        receipt: { account: name, right, endsAt: endsAt.toISOString(), server: this.#serverOf(target) },
      };
    });
  }

  end(target: TargetAccess, grant: GrantRef): Promise<Ended> {
    const name = objectName(grant);
    return this.#call('end', target, undefined, async (system, step) => {
      const steps: string[] = [];
      await step(() => system.cutOffStarts(name, step.call));
      const account = await step(() => system.accounts.get(name));
      if (!account) return { steps, leftovers: [] };
      await step(() => system.close(account));
      steps.push('closed the login');
      await step(() => system.endSessions(account));
      steps.push('ended the sessions');
      const leftovers: Leftover[] = await step(() => system.remove(name));
      if (leftovers.length === 0) steps.push('removed the account');
      return { steps, leftovers };
    });
  }

  async prove(target: TargetAccess, grant: GrantRef, proofCopy?: Secret<Credential>): Promise<Proof> {
    const name = objectName(grant);
    try {
      return await this.#call('prove', target, undefined, async (system, step) => {
        const account = await step(() => system.accounts.get(name));
        const starts = await step(() => system.starts(name));
        const checks = [accountCheck(account), startsCheck(starts)];
        if (proofCopy) checks.push(await step(() => loginCheck(system, name, proofCopy)));
        const verdicts = checks.map(({ verdict }) => verdict);
        const bad = (['alive', 'unknown'] as const).find((verdict) => verdicts.includes(verdict));
        return { verdict: bad ?? 'ended', checks, server: this.#serverOf(target) };
      });
    } catch (error) {
      const answer = error instanceof Error ? error.message : String(error);
      return { verdict: 'unknown', checks: [{ check: 'our own account looks', verdict: 'unknown', answer }] };
    }
  }

  list(target: TargetAccess, installation: string): Promise<Listed> {
    return this.#call('list', target, undefined, async (system, step) => {
      const names = await step(() => [...system.accounts.keys()]);
      const grants = names.map(grantOfObject).filter((grant) => grant !== undefined);
      const ours = grants.filter((grant) => grant.installation === installation).map(({ grantId }) => grantId);
      return { grants: ours, server: this.#serverOf(target) };
    });
  }

  async check(target: TargetAccess, entitlements: readonly EntitlementConfig[]): Promise<CheckReport> {
    try {
      return await this.#call('check', target, undefined, async (system, step) => {
        const rights = await step(() => [...system.rights]);
        const wanted = entitlements.map(({ config }) => entitlement.parse(config).right);
        const missing = wanted.filter((right) => !rights.includes(right));
        const findings = missing.map((right) => ({ kind: 'missing', message: `no right "${right}"` }) as const);
        return { ok: missing.length === 0, version: '1.0', findings };
      });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { ok: false, findings: [{ kind: 'wrong', message }] };
    }
  }

  /** What is there says who it is, whatever the address was meant to lead to. */
  #serverOf(target: TargetAccess): string {
    return this.systemOf(target).identity ?? connection.parse(target.connection).system;
  }

  #onOurClock({ endsAt, now }: IssueOrder): Date {
    const offset = this.#now().getTime() - now().getTime();
    return new Date(endsAt.getTime() + (Math.abs(offset) < 1_000 ? 0 : offset));
  }

  /** One call over one line: each step is a message there and back, in which everything may happen. */
  async #call<T>(
    call: Call,
    target: TargetAccess,
    start: string | undefined,
    work: (system: FakeSystem, step: Step) => Promise<T>,
  ): Promise<T> {
    const { system: name, breaksAfter } = connection.parse(target.connection);
    const system = this.system(name);
    const failure = system.nextFailure(call);
    await system.held('dial');
    const line = system.open(start);
    let left = breaksAfter ?? Infinity;
    const step = async <R>(act: () => R): Promise<R> => {
      await system.held(call);
      if (system.away || line.cut || failure === 'unavailable') throw new TargetUnavailable('no_connection');
      if (failure === 'forbidden' || target.password.reveal() !== system.adminPassword)
        throw new TargetForbidden('account_refused');
      const answer = act();
      if (left <= 0) throw new TargetUnavailable('interrupted');
      left -= 1;
      return answer;
    };
    const taking = Object.assign((act: () => unknown = () => undefined) => step(act), { call: line }) as Step;
    try {
      const result = await work(system, taking);
      if (failure === 'applied-then-timeout') throw new TargetUnavailable('interrupted');
      return result;
    } finally {
      system.hangUp(line);
    }
  }
}

interface Step {
  <R = void>(act?: () => R): Promise<R>;
  readonly call: object;
}

function accountCheck(account: FakeAccount | undefined): ProofCheck {
  const check = 'the account is absent or powerless, and nobody is in';
  if (!account) return { check, verdict: 'ended', answer: 'absent' };
  const alive = account.open || account.sessions.size > 0;
  return { check, verdict: alive ? 'alive' : 'ended', answer: alive ? 'it works' : 'a tombstone' };
}

const startsCheck = (starts: number): ProofCheck => ({
  check: 'no unfinished start',
  verdict: starts === 0 ? 'ended' : 'unknown',
  answer: String(starts),
});

function loginCheck(system: FakeSystem, name: string, copy: Secret<Credential>): ProofCheck {
  const check = 'the password that was handed out is refused';
  const alive = letsIn(system, name, new Secret(copy.reveal().fields['password'] ?? ''));
  return { check, verdict: alive ? 'alive' : 'ended', answer: alive ? 'logged in' : 'refused' };
}

function letsIn(system: FakeSystem, name: string, password: Secret<string>): boolean {
  try {
    system.login(name, password.reveal()).leave();
    return true;
  } catch {
    return false;
  }
}
