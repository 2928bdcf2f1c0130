import { Failure } from './failure.ts';

/** What the environment asks of a start. */
export interface Settings {
  /** Undefined: a PostgreSQL of our own. */
  readonly databaseUrl: string | undefined;
  readonly demo: boolean;
  /** The port asked for, if one was. */
  readonly port: number | undefined;
  /** `CURFEW_ENV` and everything else the processes may see, by process. */
  readonly common: NodeJS.ProcessEnv;
  readonly api: NodeJS.ProcessEnv;
  readonly worker: NodeJS.ProcessEnv;
}

// What a Node process needs to run as it would in this shell, and what the processes are configured by
// (docs/configuration.md). The rest of the environment is none of their business.
const PROXY = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy', 'NODE_USE_ENV_PROXY'];
const SYSTEM = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'NODE_ENV', 'NODE_EXTRA_CA_CERTS', ...PROXY];
const COMMON = [...SYSTEM, 'REDIS_URL', 'LOG_LEVEL'];
const API = ['SIGN_IN_MAX_SECONDS', 'ACTIVATE_WITHIN_SECONDS'];
const WORKER = ['WORKER_CONCURRENCY', 'STUCK_AFTER_SECONDS', 'RETRY_CAP_SECONDS'];

/** @throws Failure for a combination that nobody could sign in to, or that production must not have */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const databaseUrl = environment['DATABASE_URL'] || undefined;
  const mode = environment['CURFEW_ENV'] || 'development';
  const demo = wantsDemo(environment['CURFEW_DEMO'], { mode, isOwnDatabase: databaseUrl === undefined });
  if (!demo && !environment['OIDC_ISSUER'])
    throw new Failure('nobody could sign in: there is no OpenID provider', [
      'Set OIDC_ISSUER (and OIDC_CLIENT_ID) to yours,',
      ...(mode === 'production'
        ? ['or leave CURFEW_ENV=production away to try Curfew with the embedded one.']
        : ['or CURFEW_DEMO=1 to try Curfew with the embedded one, and with a demo database on the same server.']),
    ]);
  const common = { ...pick(environment, COMMON), CURFEW_ENV: mode };
  const oidc = Object.keys(environment).filter((name) => name.startsWith('OIDC_'));
  const api = pick(environment, [...API, ...oidc]);
  return { databaseUrl, demo, port: portOf(environment['PORT']), common, api, worker: pick(environment, WORKER) };
}

function wantsDemo(
  asked: string | undefined,
  { mode, isOwnDatabase }: { mode: string; isOwnDatabase: boolean },
): boolean {
  if (asked && asked !== '0' && asked !== '1') throw new Failure('CURFEW_DEMO is neither 0 nor 1');
  if (asked === '1' && mode === 'production')
    throw new Failure('CURFEW_ENV=production refuses the demo and the embedded OpenID provider', [
      'Leave CURFEW_DEMO away, and set OIDC_ISSUER.',
    ]);
  return asked ? asked === '1' : isOwnDatabase && mode !== 'production';
}

function portOf(text: string | undefined): number | undefined {
  if (!text) return undefined;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new Failure('PORT is not a port: a whole number from 1 to 65535');
}

function pick(environment: NodeJS.ProcessEnv, names: readonly string[]): NodeJS.ProcessEnv {
  return Object.fromEntries(names.flatMap((name) => (environment[name] ? [[name, environment[name]]] : [])));
}
