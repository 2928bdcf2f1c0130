import { randomUUID } from 'node:crypto';
import { Secret } from '@app/kernel';
import { currentCorrelation, Operations, randomToken, type Transaction } from '@app/platform';
import { readClaims, type ClaimedPerson } from './claims';
import { replaceClaimedGroups } from './group-members';
import { Identities } from './identities.service';
import { SignInCollected, SignInLapsed, SignInNotAccepted, SignInRefused, SignInUnknown } from './identity.errors';
import { IdentityProvider, type Proof } from './identity-provider';
import { MAX_INTERVAL_SECONDS, PendingSignIns, type Claim, type Standing } from './pending-sign-ins';
import { signInMachine } from './sign-in.machine';
import { Tokens, type Family, type TokenPair } from './tokens.service';
import type { Transact } from './transact';

/** What the person and their client need to go on. */
export interface BegunSignIn {
  readonly id: string;
  /** Shown to collect the tokens: the id alone is not enough. */
  readonly handle: Secret<string>;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete: string | undefined;
  /** How long to wait before the first poll, and between two. */
  readonly intervalSeconds: number;
  readonly expiresInSeconds: number;
}

export type Collected =
  | { readonly state: 'pending'; readonly retryAfterSeconds: number }
  | { readonly state: 'completed'; readonly tokens: TokenPair };

/** The longest that a sign-in may be pending, whatever the provider allows. */
const MAX_PENDING_SECONDS = 1_800;

/** The provider's clock is not ours. */
const LEEWAY_MS = 30_000;

/** How people sign in: at the provider, from wherever they like, while the client waits for the tokens. */
export class SignIns {
  constructor(
    private readonly provider: IdentityProvider,
    private readonly pending: PendingSignIns,
    private readonly identities: Identities,
    private readonly tokens: Tokens,
  ) {}

  /** @param options.maxAgeSeconds how long ago the person may have proved who they are; never more than a sign-in lasts */
  async begin(transact: Transact, options: { maxAgeSeconds?: number | undefined } = {}): Promise<BegunSignIn> {
    const { signInMaxSeconds } = this.tokens;
    const maxAgeSeconds = Math.min(options.maxAgeSeconds ?? signInMaxSeconds, signInMaxSeconds);
    const device = await this.provider.begin({ maxAgeSeconds });
    const { deviceCode, userCode, verificationUri, verificationUriComplete } = device;
    const id = randomUUID();
    const handle = randomToken();
    const intervalSeconds = bounded(device.intervalSeconds, MAX_INTERVAL_SECONDS);
    const expiresInSeconds = bounded(device.expiresInSeconds, MAX_PENDING_SECONDS);
    const connectionId = this.provider.connection.id;
    const lapsesInSeconds = expiresInSeconds;
    const made = { id, connectionId, handle, deviceCode, intervalSeconds, maxAgeSeconds, lapsesInSeconds };
    await transact(undefined, (tx) => this.pending.open(tx, made));
    return { id, handle, userCode, verificationUri, verificationUriComplete, intervalSeconds, expiresInSeconds };
  }

  /**
   * Hands over the tokens, once, to whoever shows the handle. The provider is asked no more often than it allows, and by
   * one caller at a time.
   *
   * @throws SignInUnknown, SignInRefused, SignInLapsed, SignInCollected, SignInNotAccepted
   */
  async collect(transact: Transact, id: string, handle: Secret<string>): Promise<Collected> {
    const claim = await this.pending.claim(id, handle);
    if (!claim) return waiting(await this.pending.standing(id, handle));
    const redemption = await this.#redeem(claim);
    switch (redemption.outcome) {
      case 'pending':
        return pending(await this.pending.giveBack(claim, { slower: false }));
      case 'slow_down':
        return pending(await this.pending.giveBack(claim, { slower: true }));
      case 'proven':
        return (
          (await this.#accept(transact, claim, redemption.proof)) ?? waiting(await this.pending.standing(id, handle))
        );
      case 'lapsed':
        return this.#settle(transact, claim, 'lapse', new SignInLapsed());
      case 'refused':
        return this.#settle(transact, claim, 'refuse', new SignInRefused());
      case 'unproven':
      default:
        return this.#settle(transact, claim, 'refuse', redemption.error);
    }
  }

  /** Ends the sign-in and all its tokens. */
  async signOut(transact: Transact, caller: { identityId: string; signInId: string }): Promise<void> {
    await transact(caller.identityId, (tx) => this.tokens.end(tx, caller.signInId, 'signed_out'));
  }

  async #redeem(claim: Claim) {
    try {
      return await this.provider.redeem(claim.deviceCode);
    } catch (error) {
      await this.pending.giveBack(claim, { slower: false });
      throw error;
    }
  }

  async #settle(transact: Transact, claim: Claim, event: 'refuse' | 'lapse', why: Error): Promise<never> {
    await transact(undefined, (tx) => this.pending.settle(tx, claim.id, event));
    throw why;
  }

  /** @returns nothing when somebody else was first */
  async #accept(transact: Transact, claim: Claim, proof: Proof): Promise<Collected | undefined> {
    let person: ClaimedPerson;
    try {
      assertFresh(claim, proof);
      person = readClaims(proof, this.provider.connection.groupClaim);
    } catch (error) {
      if (error instanceof SignInNotAccepted) return this.#settle(transact, claim, 'refuse', error);
      throw error;
    }
    const identityId = await this.identities.ensure(this.provider.connection.id, person);
    const tokens = await transact(identityId, async (tx) => {
      const family = await this.#complete(tx, claim, { identityId, signedInAt: proof.authenticatedAt });
      if (!family) return undefined;
      await this.#claimGroups(tx, person, family);
      await this.tokens.forgetEnded(tx, identityId);
      return this.tokens.issue(tx, family);
    });
    return tokens && { state: 'completed', tokens };
  }

  /** What rests on these groups is judged again: at once when one is gone, and when they do not count any more. */
  async #claimGroups(tx: Transaction, person: ClaimedPerson, { identityId, endsAt }: Family): Promise<void> {
    const lost = await replaceClaimedGroups(
      tx,
      { connection: this.provider.connection.name, subject: person.subject },
      { groups: person.groups, expiresAt: endsAt },
    );
    const work = {
      kind: 'reevaluate',
      subjectId: identityId,
      correlation: currentCorrelation() ?? identityId,
    } as const;
    if (lost) await Operations.request(tx, work);
    else if (person.groups.length > 0) await Operations.requestAt(tx, { ...work, at: endsAt });
  }

  /** The person proved it at the provider's instant, but never later than now. */
  async #complete(
    tx: Transaction,
    claim: Claim,
    who: { identityId: string; signedInAt: Date },
  ): Promise<Family | undefined> {
    const [[family]] = await tx.query<[Family[], number]>(
      `UPDATE sign_ins SET state = $2, revision = revision + 1, device_code_sealed = NULL, identity_id = $3,
         signed_in_at = least($4, clock_timestamp()), ends_at = clock_timestamp() + make_interval(secs => $5)
       WHERE id = $1 AND state = 'pending'
       RETURNING id AS "signInId", identity_id AS "identityId", signed_in_at AS "signedInAt", ends_at AS "endsAt"`,
      [
        claim.id,
        signInMachine.next('pending', 'complete'),
        who.identityId,
        who.signedInAt,
        this.tokens.signInMaxSeconds,
      ],
    );
    return family;
  }
}

const pending = (retryAfterSeconds: number): Collected => ({ state: 'pending', retryAfterSeconds });

/** What to say to a poll that may not ask the provider. */
function waiting(standing: Standing | undefined): Collected {
  if (!standing) throw new SignInUnknown();
  if (standing.state === 'pending') return pending(standing.retryAfterSeconds);
  if (standing.state === 'refused') throw new SignInRefused();
  if (standing.state === 'lapsed') throw new SignInLapsed();
  throw new SignInCollected();
}

/** A provider may ignore what it was asked for. */
function assertFresh(claim: Claim, proof: Proof): void {
  const oldest = claim.createdAt.getTime() - claim.maxAgeSeconds * 1_000 - LEEWAY_MS;
  if (proof.authenticatedAt.getTime() < oldest)
    throw new SignInNotAccepted('too_old', 'Sign out at the provider, then sign in again: `curfew login`.');
}

/** Whole seconds from 1 to a maximum, whatever a provider sent. */
function bounded(seconds: number, max: number): number {
  return Math.min(max, Math.max(1, Math.ceil(seconds)));
}
