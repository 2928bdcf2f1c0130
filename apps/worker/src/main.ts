import 'reflect-metadata';
import {
  accessEntities,
  Activation,
  Ending,
  Judge,
  MassEnding,
  PoliciesService,
  ProofGrounds,
  Reach,
  Reconciler,
  Reevaluation,
  Removal,
  Survey,
  VitalSigns,
  Warrants,
  Work,
} from '@app/access';
import { Commitments } from '@app/audit';
import {
  armFailpoints,
  createLogger,
  DatabaseClock,
  LocalKeySealer,
  openDatabase,
  Operations,
  readEnvironment,
  starting,
  workerEnvironment,
} from '@app/platform';
import { createMetrics, serve } from '@app/platform/http';
import { BullBell } from '@app/platform/queue';
import { ProviderRegistry, TargetNetworks } from '@app/providers';
import { Executor } from './executor';
import { workerModule } from './worker.module';

/** An operation waits for its target most of the time, and holds no connection meanwhile. */
const DATABASE_CONNECTIONS = 10;

await starting('worker', async () => {
  const environment = readEnvironment(workerEnvironment);
  armFailpoints(environment.CURFEW_FAILPOINTS);
  const log = createLogger('worker', environment.LOG_LEVEL);
  const onError = (error: unknown): void => log.error({ err: error }, 'connection');

  const database = await openDatabase({
    url: environment.DATABASE_URL,
    applicationName: 'curfew-worker',
    entities: accessEntities,
    connections: DATABASE_CONNECTIONS,
    onError,
  });
  const clock = await new DatabaseClock(database, onError).start();
  const bell = new BullBell({ databaseUrl: environment.DATABASE_URL, redisUrl: environment.REDIS_URL, onError });
  const sealer = LocalKeySealer.fromFile(environment.SEALING_KEY_FILE);
  const proofSealer = LocalKeySealer.fromFile(environment.PROOF_KEY_FILE);

  const providers = ProviderRegistry.builtIn(new TargetNetworks(environment.ALLOWED_TARGET_NETWORKS));
  const operations = new Operations(database);
  const reach = new Reach(database, providers, sealer);
  const work = new Work(database, operations, reach, { onCall: (call) => log.info(call, 'provider call') });
  const warrants = new Warrants(new Judge(new PoliciesService(clock), new Commitments(sealer), clock));
  const grounds = new ProofGrounds(database, proofSealer);
  const reconciler = new Reconciler(
    work,
    {
      activation: new Activation(work, warrants, { readable: sealer, proof: proofSealer }, () => clock.now()),
      ending: new Ending(work, grounds),
      massEnding: new MassEnding(work, grounds),
      reevaluation: new Reevaluation(work, warrants),
      removal: new Removal(work),
    },
    clock,
    {
      stuckAfterSeconds: environment.STUCK_AFTER_SECONDS,
      retryCapSeconds: environment.RETRY_CAP_SECONDS,
      tidyCapSeconds: environment.TIDY_CAP_SECONDS,
      onError: (error, { id, kind, subjectId, attempt }) =>
        log.warn({ err: error, operation: id, kind, grant: subjectId, attempt }, 'an attempt did not go through'),
    },
  );
  const survey = new Survey(database, reach, environment.SURVEY_SECONDS, (error, target) =>
    log.warn({ err: error, target }, 'a target could not be looked through for strays'),
  );
  const limits = { hands: environment.WORKER_CONCURRENCY, perLine: environment.WORK_PER_TARGET };
  const executor = new Executor({ reconciler, operations, survey }, limits, log);

  await serve({
    module: workerModule({
      database,
      clock,
      bell,
      executor,
      operations,
      vitalSigns: new VitalSigns(database),
      metrics: createMetrics('worker'),
    }),
    log,
    host: environment.HOST,
    port: environment.PORT,
  });
});
