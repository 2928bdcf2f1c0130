import type { z } from 'zod';
import type {
  ApiEnvironment,
  migrateEnvironment,
  TimekeeperEnvironment,
  WorkerEnvironment,
} from '../libs/platform/src/environment.ts';

/**
 * What becomes of a variable of a process at `npm start`: the starter itself goes by it, hands it on as it is, or makes
 * the value and does not look at the environment.
 */
export type Fate = 'asked' | 'handed on' | 'made here';

const common = {
  CURFEW_ENV: 'asked',
  DATABASE_URL: 'asked',
  REDIS_URL: 'handed on',
  HOST: 'made here',
  LOG_LEVEL: 'handed on',
  CURFEW_FAILPOINTS: 'handed on',
} as const;

/**
 * Every variable of every process. The schemas are not loaded for it, which would cost the starter 40 MB and a sixth of a
 * second; their types say that none is missing here and none is too many.
 */
export const VARIABLES = {
  api: {
    ...common,
    PORT: 'asked',
    PUBLIC_URL: 'made here',
    SEALING_KEY_FILE: 'made here',
    POLICY_DIR: 'handed on',
    OIDC_ISSUER: 'handed on',
    OIDC_CLIENT_ID: 'handed on',
    OIDC_CLIENT_SECRET: 'handed on',
    OIDC_CONNECTION: 'handed on',
    OIDC_GROUP_CLAIM: 'handed on',
    OIDC_SCOPE: 'handed on',
    SIGN_IN_MAX_SECONDS: 'handed on',
    SIGN_INS_PER_MINUTE: 'handed on',
    PICK_UPS_PER_MINUTE: 'handed on',
    ALLOWED_TARGET_NETWORKS: 'asked',
    ACTIVATE_WITHIN_SECONDS: 'handed on',
    CURFEW_DEMO: 'asked',
    CURFEW_DEMO_FILE: 'made here',
    TRUSTED_PROXIES: 'handed on',
    TLS_CERT_FILE: 'made here',
    TLS_KEY_FILE: 'made here',
  } satisfies Record<keyof ApiEnvironment, Fate>,
  worker: {
    ...common,
    PORT: 'asked',
    SEALING_KEY_FILE: 'made here',
    PROOF_KEY_FILE: 'made here',
    ALLOWED_TARGET_NETWORKS: 'asked',
    WORKER_CONCURRENCY: 'handed on',
    WORK_PER_TARGET: 'handed on',
    STUCK_AFTER_SECONDS: 'handed on',
    RETRY_CAP_SECONDS: 'handed on',
    TIDY_CAP_SECONDS: 'handed on',
    SURVEY_SECONDS: 'handed on',
  } satisfies Record<keyof WorkerEnvironment, Fate>,
  timekeeper: { ...common, PORT: 'asked' } satisfies Record<keyof TimekeeperEnvironment, Fate>,
  migrate: {
    DATABASE_URL: 'asked',
    API_DATABASE_PASSWORD: 'made here',
    WORKER_DATABASE_PASSWORD: 'made here',
    TIMEKEEPER_DATABASE_PASSWORD: 'made here',
  } satisfies Record<keyof z.infer<typeof migrateEnvironment>, Fate>,
} as const;

export type ProcessName = keyof typeof VARIABLES;

/** The variables of a process, or of all of them, that have this fate. */
export function variablesThatAre(fate: Fate, of?: ProcessName): string[] {
  const tables = of === undefined ? Object.values(VARIABLES) : [VARIABLES[of]];
  const names = tables.flatMap((table) => Object.entries(table).filter(([, its]) => its === fate));
  return [...new Set(names.map(([name]) => name))];
}

/** Whether `NAME_FILE` is the file form of `NAME`, and not a variable of its own. */
export function hasFileForm(name: string): boolean {
  return !name.endsWith('_FILE') && !Object.values(VARIABLES).some((table) => `${name}_FILE` in table);
}
