import { AppError } from '@app/kernel';
import { migrateEnvironment, readEnvironment } from '@app/platform';
import { migrateDatabase } from './migrate';

try {
  const environment = readEnvironment(migrateEnvironment);
  await migrateDatabase({
    ownerUrl: environment.DATABASE_URL,
    passwords: {
      api: environment.API_DATABASE_PASSWORD,
      worker: environment.WORKER_DATABASE_PASSWORD,
      timekeeper: environment.TIMEKEEPER_DATABASE_PASSWORD,
    },
  });
  console.log('the database is up to date');
} catch (error) {
  const reason = error instanceof AppError && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  console.error(`curfew-migrate: ${error instanceof Error ? error.message : 'failed'}${reason}`);
  if (error instanceof AppError && error.advice) console.error(error.advice);
  process.exitCode = 1;
}
