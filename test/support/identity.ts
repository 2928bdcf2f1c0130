import { randomBytes, randomUUID } from 'node:crypto';
import { openDatabase, LocalKeySealer } from '@app/platform';
import type { DataSource } from 'typeorm';
import {
  AccessTokens,
  Callers,
  Connections,
  Identities,
  identityEntities,
  IdentityProvider,
  installationId,
  PendingSignIns,
  SigningKeys,
  SignIns,
  Tokens,
  type Connection,
  type DeviceAuthorization,
  type Redemption,
  type Transact,
} from '@app/identity';
import { AuditEvent, AuditValue, Commitments, Recorder } from '@app/audit';
import { Clock, Secret } from '@app/kernel';
import { aDatabase, type TestDatabase } from './postgres';

/** A clock that is told how wrong it is. */
export class TestClock extends Clock {
  offsetMs = 0;

  milliseconds(): number {
    return Math.floor(performance.timeOrigin + performance.now() + this.offsetMs);
  }
}

/** A provider that answers what it is told to, and knows how often it was asked. */
export class FakeIdentityProvider extends IdentityProvider {
  readonly redeemed: string[] = [];
  readonly begun: { maxAgeSeconds: number }[] = [];
  answer: () => Redemption | Promise<Redemption> = () => ({ outcome: 'pending' });
  device: Partial<DeviceAuthorization> = {};

  constructor(readonly connection: Connection) {
    super();
  }

  begin(options: { maxAgeSeconds: number }): Promise<DeviceAuthorization> {
    this.begun.push(options);
    return Promise.resolve({
      deviceCode: new Secret(`device-code-${randomUUID()}`),
      userCode: 'ABCD-EFGH',
      verificationUri: 'https://id.example/device',
      intervalSeconds: 5,
      expiresInSeconds: 600,
      ...this.device,
    });
  }

  async redeem(deviceCode: Secret<string>): Promise<Redemption> {
    this.redeemed.push(deviceCode.reveal());
    return this.answer();
  }

  reach(): Promise<void> {
    return Promise.resolve();
  }

  /** From now on the person has proved who they are. */
  prove(subject: string, claims: Record<string, unknown> = {}, authenticatedAt = new Date()): void {
    this.answer = () => ({
      outcome: 'proven',
      proof: { subject, authenticatedAt, claims: { sub: subject, ...claims } },
    });
  }
}

export interface IdentityStage {
  readonly test: TestDatabase;
  readonly database: DataSource;
  readonly clock: TestClock;
  readonly sealer: LocalKeySealer;
  readonly keys: SigningKeys;
  readonly provider: FakeIdentityProvider;
  readonly signIns: SignIns;
  readonly tokens: Tokens;
  readonly accessTokens: AccessTokens;
  readonly callers: Callers;
  readonly installation: string;
  readonly transact: Transact;
  /** Looks behind the curtain, or arranges what cannot be waited for. */
  asOwner<Row = Record<string, unknown>>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}

/** The identity library on a database of its own, as the api's role, with a fake provider. */
export async function anIdentityStage(groupClaim: string | null = 'groups'): Promise<IdentityStage> {
  const test = await aDatabase();
  const open = (url: string) =>
    openDatabase({
      url: new Secret(url),
      applicationName: 'test',
      entities: [...identityEntities, AuditEvent, AuditValue],
      connections: 8,
      onError: () => undefined,
    });
  const [database, owner] = await Promise.all([open(test.urls.api), open(test.urls.owner)]);
  const clock = new TestClock();
  const sealer = new LocalKeySealer(new Secret(randomBytes(32)));
  const recorder = new Recorder(database, new Commitments(sealer));
  const settings = { name: 'corp', issuer: 'https://id.example', clientId: 'curfew', groupClaim };
  const provider = new FakeIdentityProvider(await new Connections(database).ensure(settings));
  const keys = new SigningKeys(database, sealer, clock);
  const installation = await installationId(database.manager);
  const accessTokens = new AccessTokens(keys, clock, installation);
  const tokens = new Tokens(database, accessTokens, 43_200);
  return {
    test,
    database,
    clock,
    sealer,
    keys,
    provider,
    signIns: new SignIns(provider, new PendingSignIns(database, sealer), new Identities(database), tokens),
    tokens,
    accessTokens,
    callers: new Callers(database),
    installation,
    transact: (actor, work) => recorder.run({ actor: actor ?? 'api', channel: 'test', correlation: 'c-1' }, work),
    asOwner: (sql, parameters) => owner.query(sql, parameters),
    async close() {
      await Promise.all([database.destroy(), owner.destroy()]);
      await test.drop();
    },
  };
}

/** Changes a sign-in behind its back, as time would. */
export async function alterSignIn(stage: IdentityStage, id: string, change: string): Promise<void> {
  await stage.asOwner(
    `WITH settings AS (SELECT set_config('curfew.actor', 'test', true), set_config('curfew.correlation', 'test', true))
     UPDATE sign_ins SET ${change} FROM settings WHERE id = $1`,
    [id],
  );
}

/** Somebody who has just signed in. */
export async function aSignIn(stage: IdentityStage, subject = 'ada', claims: Record<string, unknown> = {}) {
  stage.provider.prove(subject, { name: subject, ...claims });
  const { id, handle } = await stage.signIns.begin(stage.transact);
  await alterSignIn(stage, id, `next_poll_at = clock_timestamp()`);
  const collected = await stage.signIns.collect(stage.transact, id, handle);
  if (collected.state !== 'completed') throw new Error('the sign-in is still pending');
  const { identityId } = await stage.accessTokens.verify(collected.tokens.accessToken);
  return { id, handle, identityId, ...collected.tokens };
}
