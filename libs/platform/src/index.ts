export { openDatabase, type DatabaseOptions, type Transaction } from './database';
export { DatabaseClock } from './database-clock';
export {
  apiEnvironment,
  InvalidEnvironment,
  migrateEnvironment,
  readEnvironment,
  timekeeperEnvironment,
  workerEnvironment,
  type ApiEnvironment,
  type TimekeeperEnvironment,
  type WorkerEnvironment,
} from './environment';
export { armFailpoints } from './failpoints';
export { onStop, reportReady, starting, startFailureWords } from './lifecycle';
export { correlated, createLogger, currentCorrelation, describeError } from './log';
export {
  LeaseLost,
  LEASE_SECONDS,
  NO_TARGET,
  Operations,
  type DueOperation,
  type Line,
  type OpenOperation,
  type Operation,
  type OperationKind,
} from './operations';
export { Batch } from './batch';
export { randomToken } from './random';
export {
  assertSchemaVersion,
  MigrationsChanged,
  NotThisDatabase,
  SCHEMA_VERSION,
  WrongSchemaVersion,
} from './schema-version';
export { scramVerifier } from './scram';
export { KeyFileInvalid, LocalKeySealer, SealBroken, Sealer } from './sealing';
