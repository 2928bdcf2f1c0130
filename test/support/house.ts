import { randomBytes, randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import {
  accessEntities,
  Activation,
  CredentialsService,
  Deadlines,
  DecisionsService,
  Ending,
  GrantsService,
  GrantsView,
  Judge,
  MassEnding,
  PoliciesService,
  PoliciesView,
  ProofGrounds,
  Reach,
  Reconciler,
  Reevaluation,
  Removal,
  RequestsService,
  RequestsView,
  StraysService,
  Survey,
  TargetsService,
  TargetsView,
  Warrants,
  Work,
  type ProviderCall,
  type Asker,
} from '@app/access';
import { Commitments, Recorder } from '@app/audit';
import { Identity } from '@app/identity';
import { Secret } from '@app/kernel';
import { correlated, DatabaseClock, LocalKeySealer, openDatabase, Operations, type Transaction } from '@app/platform';
import { parseGroups, type PolicyFiles } from '@app/policy';
import { PostgresProvider, ProviderRegistry } from '@app/providers';
import { FakeTarget } from './fake-target';
import { aDatabase, type TestDatabase } from './postgres';
import { ON_LOOPBACK } from './postgres-target';

const failed = (error: unknown): void => {
  throw error;
};

/** Engineers may read and write, owners of the database decide; writing needs two of them. */
export const HOUSE_POLICIES: PolicyFiles = {
  policies: [
    {
      file: 'house.cedar',
      text: `
        @id("read") @approval("1 of Group::\\"owners\\"") @maxDuration("4h") @pendingFor("1h")
        permit (principal in Group::"engineers", action == Action::"request", resource == Entitlement::"db/read");
        @id("write") @approval("2 of Group::\\"owners\\"") @maxDuration("1h")
        permit (principal in Group::"engineers", action == Action::"request", resource == Entitlement::"db/write");
        @id("on-call") @approval("none") @maxDuration("1h")
        permit (principal in Group::"on-call", action == Action::"request", resource in Target::"db");
        @id("owners-revoke")
        permit (principal, action == Action::"revoke", resource) when { principal in resource.owner };
        @id("auditors")
        permit (principal in Group::"auditors", action == Action::"audit", resource);
        @id("administrators")
        permit (principal in Group::"administrators", action in [Action::"administer", Action::"revoke"], resource);`,
    },
  ],
  groups: {
    file: 'groups.yaml',
    text: `groups:
  engineers: [test/ada, test/ben, test/eve]
  owners: [test/ben, test/bob, test/bea]
  on-call: [test/olga]
  auditors: [test/cleo]
  administrators: [test/root]
`,
  },
};

/** The libraries on a real database, under the real roles of the processes, before a fake target. */
export interface House {
  readonly urls: TestDatabase['urls'];
  readonly api: DataSource;
  readonly worker: DataSource;
  readonly timekeeper: DataSource;
  readonly owner: DataSource;
  readonly target: FakeTarget;
  readonly clock: DatabaseClock;
  readonly policies: PoliciesService;
  readonly requests: RequestsService;
  readonly decisions: DecisionsService;
  readonly grants: GrantsService;
  readonly credentials: CredentialsService;
  readonly targets: TargetsService;
  readonly views: {
    readonly requests: RequestsView;
    readonly grants: GrantsView;
    readonly targets: TargetsView;
    readonly policies: PoliciesView;
  };
  readonly strays: StraysService;
  readonly deadlines: Deadlines;
  readonly operations: Operations;
  readonly reconciler: Reconciler;
  readonly survey: Survey;
  /** Another worker, with leases of its own. */
  anotherWorker(): Reconciler;
  /** One that gives a call of a provider so long. */
  impatientWorker(callMs: number): Reconciler;
  /** One whose proof copies do not open. */
  workerWithAnotherProofKey(): Reconciler;
  /** What did not go through in the workers, in order. */
  readonly failures: readonly unknown[];
  /** What the workers said to the target, in order, as it is logged. */
  readonly calls: readonly ProviderCall[];
  /** A person of the connection `test`, as they are after signing in. */
  person(subject: string, more?: { email?: string }): Promise<Asker>;
  /** A transaction as the api makes it. */
  as<T>(asker: Asker, work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Carries out everything that is due, once. */
  work(reconciler?: Reconciler): Promise<void>;
  applyPolicies(files: PolicyFiles): Promise<void>;
  close(): Promise<void>;
}

/** @param aTarget one that does not end many, unless told otherwise */
export async function aHouse(
  policies: PolicyFiles = HOUSE_POLICIES,
  aTarget = (now: () => Date): FakeTarget => new FakeTarget(now),
): Promise<House> {
  const test = await aDatabase();
  const { api, worker, timekeeper, owner } = await connections(test);
  const clock = await new DatabaseClock(api, failed).start();
  const target = aTarget(() => clock.now());
  const providers = new ProviderRegistry([target, new PostgresProvider(ON_LOOPBACK)]);
  const sealer = new LocalKeySealer(new Secret(randomBytes(32)));
  const proofSealer = new LocalKeySealer(new Secret(randomBytes(32)));
  const commitments = new Commitments(sealer);
  const policySets = new PoliciesService(clock);
  const judge = new Judge(policySets, commitments, clock);
  const recorder = new Recorder(api, commitments);
  const targets = new TargetsService(judge, providers, sealer, clock);
  const operations = new Operations(worker);
  const failures: unknown[] = [];
  const calls: ProviderCall[] = [];
  const reach = new Reach(worker, providers, sealer);
  const aWorker = (ops: Operations, proof = proofSealer, callMs?: number): Reconciler => {
    const onCall = (call: ProviderCall) => void calls.push(call);
    const work = new Work(worker, ops, reach, { onCall, withinMs: callMs });
    const warrants = new Warrants(new Judge(new PoliciesService(clock), commitments, clock));
    const activation = new Activation(work, warrants, { readable: sealer, proof }, () => clock.now());
    const reevaluation = new Reevaluation(work, warrants);
    const options = {
      stuckAfterSeconds: 1,
      retryCapSeconds: 1,
      tidyCapSeconds: 2,
      onError: (error: unknown) => void failures.push(error),
    };
    const grounds = new ProofGrounds(worker, proof);
    const ends = { ending: new Ending(work, grounds), massEnding: new MassEnding(work, grounds) };
    const steps = { activation, ...ends, reevaluation, removal: new Removal(work) };
    return new Reconciler(work, steps, clock, options);
  };
  const reconciler = aWorker(operations);
  const act = { actor: 'test', channel: 'test', correlation: 'test' };
  const applyPolicies = async (files: PolicyFiles): Promise<void> => {
    parseGroups(files.groups);
    await recorder.run(act, (tx) => policySets.apply(tx, files));
  };
  await applyPolicies(policies);
  await api.query(
    `INSERT INTO connections (name, issuer, client_id) VALUES ('test', 'https://test.example', 'curfew')`,
  );
  const file = {
    name: 'db',
    kind: 'fake',
    owner: 'owners',
    connection: { system: 'main' },
    entitlements: { read: { right: 'read' }, write: { right: 'write' } },
  };
  const password = new Secret(target.system().adminPassword);
  await recorder.run(act, (tx) => targets.add(tx, 'demo', { file, password }));
  return {
    urls: test.urls,
    api,
    worker,
    timekeeper,
    owner,
    target,
    clock,
    policies: policySets,
    requests: new RequestsService(judge, commitments, 900),
    decisions: new DecisionsService(judge, 900),
    grants: new GrantsService(judge),
    credentials: new CredentialsService(sealer, commitments),
    targets,
    strays: new StraysService(judge),
    views: {
      requests: new RequestsView(judge, commitments, providers),
      grants: new GrantsView(judge, commitments, providers),
      targets: new TargetsView(judge, providers),
      policies: new PoliciesView(judge),
    },
    deadlines: new Deadlines(timekeeper),
    operations,
    reconciler,
    survey: new Survey(worker, reach, 300, (error) => void failures.push(error)),
    workerWithAnotherProofKey: () => aWorker(new Operations(worker), new LocalKeySealer(new Secret(randomBytes(32)))),
    impatientWorker: (callMs) => aWorker(new Operations(worker), proofSealer, callMs),
    anotherWorker: () => aWorker(new Operations(worker)),
    failures,
    calls,
    person: (subject, more = {}) => aPerson(api, clock, subject, more),
    as: (asker, work) =>
      correlated(randomUUID(), () =>
        recorder.run(
          { actor: asker.identityId, channel: 'test', correlation: randomUUID(), address: asker.address },
          work,
        ),
      ),
    work: async (by = reconciler) => {
      for (const { id } of await operations.due(100)) await by.carryOut(id);
    },
    applyPolicies,
    close: async () => {
      clock.stop();
      await Promise.all([api, worker, timekeeper, owner].map((database) => database.destroy()));
      await test.drop();
    },
  };
}

async function connections(test: TestDatabase) {
  const open = (url: string, settings = {}) =>
    openDatabase({
      url: new Secret(url),
      applicationName: 'house',
      entities: [...accessEntities, Identity],
      connections: 12,
      settings,
      onError: () => undefined,
    });
  const timekeeper = { 'curfew.actor': 'timekeeper', 'curfew.correlation': 'timekeeper-1' };
  return {
    api: await open(test.urls.api),
    worker: await open(test.urls.worker),
    timekeeper: await open(test.urls.timekeeper, timekeeper),
    owner: await open(test.urls.owner),
  };
}

async function aPerson(
  api: DataSource,
  clock: DatabaseClock,
  subject: string,
  more: { email?: string },
): Promise<Asker> {
  const [row] = await api.query<{ id: string }[]>(
    `INSERT INTO identities (kind, connection_id, subject, name, email)
     SELECT 'human', id, $1, initcap($1), $2 FROM connections WHERE name = 'test'
     ON CONFLICT (connection_id, subject) DO UPDATE SET name = excluded.name RETURNING id`,
    [subject, more.email ?? null],
  );
  return {
    identityId: row!.id,
    kind: 'human',
    connection: 'test',
    subject,
    name: subject,
    email: more.email ?? null,
    claims: [],
    signInId: randomUUID(),
    signedInAt: clock.now(),
    signInEndsAt: new Date(clock.milliseconds() + 3_600_000),
    address: '192.0.2.1',
  };
}
