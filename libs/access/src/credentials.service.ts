import { In } from 'typeorm';
import { Commitments } from '@app/audit';
import { failpoint, Secret, type AppError } from '@app/kernel';
import { currentCorrelation, Operations, Sealer, type OpenOperation, type Transaction } from '@app/platform';
import type { Credential } from '@app/providers';
import { CredentialPickedUp, GrantNotActive, NoReplacementLeft, NotFound } from './access.errors';
import { isScopeChanged } from './asked';
import { GrantCredential } from './credential.entity';
import { credentialMachine } from './credential.machine';
import type { Asker } from './facts';
import { Grant } from './grant.entity';

/** A credential and its three replacements. */
export const MAX_VERSION = 4;

export const sealedContext = (grantId: string, version: number): string => `credentials.sealed:${grantId}/${version}`;
export const proofContext = (grantId: string, version: number): string =>
  `credentials.proof_sealed:${grantId}/${version}`;

/** A refusal that is itself an event: what was written before it is committed, and then it is thrown. */
export type PickUp = { readonly credential: Secret<Credential> } | { readonly refused: AppError };

/** Handing over, once. */
export class CredentialsService {
  constructor(
    private readonly sealer: Sealer,
    private readonly commitments: Commitments,
  ) {}

  /** The holder takes the credential; the readable copy is gone in the same transaction. */
  async pickUp(tx: Transaction, asker: Asker, grantId: string): Promise<PickUp> {
    const grant = await this.#activeGrant(tx, asker, grantId);
    const current = await this.#lockCurrent(tx, grant.id);
    if (!current) throw new NotFound('credential', { grant: grantId });
    if (current.state !== 'ready' || !current.sealed) return { refused: await this.#refuse(tx, current) };
    const [, affected] = await tx.query<[unknown[], number]>(
      `UPDATE credentials c SET state = $2, revision = c.revision + 1, sealed = NULL, picked_up_at = clock_timestamp(),
         picked_up_from_commitment = decode(nullif(current_setting('curfew.address', true), ''), 'hex')
       FROM grants g WHERE c.id = $1 AND c.state = 'ready' AND g.id = c.grant_id AND g.state = 'active' AND g.ends_at > clock_timestamp()`,
      [current.id, credentialMachine.next('ready', 'pick_up')],
    );
    if (affected !== 1) throw new GrantNotActive('ending');
    failpoint('pick_up.taken');
    const text = await this.sealer.open(current.sealed, sealedContext(grantId, current.version));
    return { credential: new Secret(JSON.parse(text.reveal()) as Credential) };
  }

  /** The reply was lost: a new password on the same role, three times at most. The old one stops to work. Who asks is an event. */
  async replace(tx: Transaction, asker: Asker, grantId: string): Promise<OpenOperation> {
    const grant = await this.#activeGrant(tx, asker, grantId);
    if (await isScopeChanged(tx, grant)) throw new NoReplacementLeft('target_changed');
    // The work before the credential, as whoever carries it out takes them. It is not asked for when what follows throws.
    const { targetId } = grant;
    const correlation = currentCorrelation() ?? grantId;
    const work = { kind: 'replace', subjectId: grantId, targetId, correlation } as const;
    const operation = await Operations.requestWhenIdle(tx, work);
    if (!operation) throw new NoReplacementLeft('under_way');
    const current = await this.#lockCurrent(tx, grant.id);
    if (current?.state !== 'picked_up') throw new NoReplacementLeft('not_picked_up');
    if (current.version >= MAX_VERSION) throw new NoReplacementLeft('used_up');
    await tx.query(
      `UPDATE credentials SET state = $2, revision = revision + 1, replacements_asked = replacements_asked + 1 WHERE id = $1`,
      [current.id, credentialMachine.next('picked_up', 'ask_for_another')],
    );
    return operation;
  }

  async #activeGrant(tx: Transaction, asker: Asker, id: string): Promise<Grant> {
    const grant = await tx.findOneBy(Grant, { id, identityId: asker.identityId });
    if (!grant) throw new NotFound('grant', { grant: id });
    if (grant.state !== 'active') throw new GrantNotActive(grant.state);
    return grant;
  }

  #lockCurrent(tx: Transaction, grantId: string): Promise<GrantCredential | null> {
    return tx.findOne(GrantCredential, {
      where: { grantId, state: In(['ready', 'picked_up']) },
      lock: { mode: 'pessimistic_write' },
    });
  }

  /** Whoever comes second is an event, and hears when and from where the first was. */
  async #refuse(tx: Transaction, current: GrantCredential): Promise<AppError> {
    await tx.query(
      `UPDATE credentials SET state = $2, revision = revision + 1, refused_pick_ups = refused_pick_ups + 1 WHERE id = $1`,
      [current.id, credentialMachine.next('picked_up', 'refuse')],
    );
    return new CredentialPickedUp({
      pickedUpAt: current.pickedUpAt?.toISOString() ?? '',
      pickedUpFrom: await this.#shown(tx, current.pickedUpFromCommitment),
    });
  }

  async #shown(tx: Transaction, commitment: Buffer | null): Promise<string | null> {
    if (!commitment) return null;
    return (await this.commitments.show(tx, [commitment])).get(commitment.toString('hex')) ?? null;
  }
}
