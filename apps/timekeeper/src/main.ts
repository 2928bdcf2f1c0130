import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { Deadlines } from '@app/access';
import {
  armFailpoints,
  createLogger,
  DatabaseClock,
  openDatabase,
  readEnvironment,
  starting,
  timekeeperEnvironment,
} from '@app/platform';
import { createMetrics, serve } from '@app/platform/http';
import { BullBell } from '@app/platform/queue';
import { LANES, Timekeeper } from './timekeeper';
import { timekeeperModule } from './timekeeper.module';

await starting('timekeeper', async () => {
  const environment = readEnvironment(timekeeperEnvironment);
  armFailpoints(environment.CURFEW_FAILPOINTS);
  const log = createLogger('timekeeper', environment.LOG_LEVEL);
  const onError = (error: unknown): void => log.error({ err: error }, 'connection');

  // A pool of its own and a short timeout: nothing else can make it late. Those to end, one to lapse, one for the clock.
  const database = await openDatabase({
    url: environment.DATABASE_URL,
    applicationName: 'curfew-timekeeper',
    entities: [],
    connections: LANES + 2,
    statementTimeoutMs: 2_000,
    settings: {
      'curfew.actor': 'timekeeper',
      'curfew.channel': 'timekeeper',
      'curfew.correlation': `timekeeper-${randomUUID()}`,
    },
    onError,
  });
  const clock = await new DatabaseClock(database, onError).start();
  const bell = new BullBell({ databaseUrl: environment.DATABASE_URL, redisUrl: environment.REDIS_URL, onError });
  const metrics = createMetrics('timekeeper');
  const timekeeper = new Timekeeper(new Deadlines(database), bell, metrics, log);

  await serve({
    module: timekeeperModule({ database, clock, bell, metrics, timekeeper }),
    log,
    host: environment.HOST,
    port: environment.PORT,
  });
});
