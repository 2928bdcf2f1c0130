import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { APPS, type AppName } from './clone.ts';
import { Failure } from './failure.ts';
import { calledFrom } from './home.mjs';
import { redisAt, type RedisPlace } from './redis.ts';
import { hasFileForm, variablesThatAre } from './variables.ts';

/** What the environment asks of a start. */
export interface Settings {
  /** Undefined: a PostgreSQL of our own. */
  readonly databaseUrl: string | undefined;
  /** Undefined: the queue is in PostgreSQL. */
  readonly redis: RedisPlace | undefined;
  /** The demo database, as a target. */
  readonly demo: boolean;
  /** Whether its accounts can sign in: the api brings their provider unless there is another. */
  readonly demoAccounts: boolean;
  /** The port asked for, if one was. */
  readonly port: number | undefined;
  /** What any Node process needs to run as it would in this shell. */
  readonly system: NodeJS.ProcessEnv;
  /** The same, `CURFEW_ENV`, and what this process knows of the rest, by value or as the file that has it. */
  readonly processes: Readonly<Record<AppName, NodeJS.ProcessEnv>>;
  /** Variables of the processes that are set and that a start does not go by. */
  readonly unused: readonly string[];
}

// The rest of the environment is none of the processes' business.
const PROXY = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy', 'NODE_USE_ENV_PROXY'];
const SYSTEM = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'NODE_ENV', 'NODE_EXTRA_CA_CERTS', ...PROXY];
/** Values that name a folder: as seen from where npm was called. */
const PLACES = ['POLICY_DIR'];

const MODES = ['development', 'production'];

/** @throws Failure for a combination that nobody could sign in to, or that production must not have */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const databaseUrl = valueOf(environment, 'DATABASE_URL');
  const redisUrl = valueOf(environment, 'REDIS_URL');
  const mode = modeOf(valueOf(environment, 'CURFEW_ENV'));
  const hasIssuer = valueOf(environment, 'OIDC_ISSUER') !== undefined;
  // The owners of the demo database are accounts of the embedded provider: without it nobody would decide.
  const isTrial = databaseUrl === undefined && mode !== 'production' && !hasIssuer;
  const demo = wantsDemo(environment['CURFEW_DEMO'], { mode, isTrial });
  if (!demo && !hasIssuer)
    throw new Failure('nobody could sign in: there is no OpenID provider', [
      'Set OIDC_ISSUER (and OIDC_CLIENT_ID) to yours,',
      ...(mode === 'production'
        ? ['or leave CURFEW_ENV=production away to try Curfew with the embedded one.']
        : ['or CURFEW_DEMO=1 to try Curfew with the embedded one, and with a demo database on the same server.']),
    ]);
  const system = pick(environment, SYSTEM);
  const handed = (name: AppName): [AppName, NodeJS.ProcessEnv] => {
    const known = variablesThatAre('handed on', name).map((variable) => handOn(environment, variable));
    const networks = name === 'timekeeper' ? {} : targetNetworks(environment, mode);
    return [name, { ...system, CURFEW_ENV: mode, ...networks, ...Object.assign({}, ...known) }];
  };
  return {
    databaseUrl,
    redis: redisUrl === undefined ? undefined : redisAt(redisUrl),
    demo,
    demoAccounts: demo && !hasIssuer,
    port: portOf(valueOf(environment, 'PORT')),
    system,
    processes: Object.fromEntries(APPS.map(handed)) as Settings['processes'],
    unused: variablesThatAre('made here')
      .flatMap(formsOf)
      .filter((name) => environment[name]),
  };
}

const formsOf = (name: string): string[] => (hasFileForm(name) ? [name, `${name}_FILE`] : [name]);

/** The value of a variable, from the file that `NAME_FILE` names as well; empty is absent, as for the processes. */
function valueOf(environment: NodeJS.ProcessEnv, name: string): string | undefined {
  if (environment[name] || !hasFileForm(name)) return environment[name] || undefined;
  const file = environment[`${name}_FILE`];
  if (!file) return undefined;
  try {
    return readFileSync(resolve(calledFrom(environment), file), 'utf8').trimEnd() || undefined;
  } catch (cause) {
    throw new Failure(`the file that ${name}_FILE names cannot be read`, [(cause as Error).message], cause);
  }
}

/** A secret in a file stays there: the process is told the file. */
function handOn(environment: NodeJS.ProcessEnv, name: string): NodeJS.ProcessEnv {
  const value = valueOf(environment, name);
  if (value === undefined) return {};
  const from = calledFrom(environment);
  const place = PLACES.includes(name) ? folder(name, resolve(from, value)) : undefined;
  if (environment[name]) return { [name]: place ?? value };
  return { [`${name}_FILE`]: resolve(from, environment[`${name}_FILE`] ?? '') };
}

/** Said before anything is made, since no start would help. */
function folder(name: string, path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return path;
  throw new Failure(`${name} is not a folder: ${path}`);
}

/** Who tries Curfew has targets on this machine, the demo's above all. */
function targetNetworks(environment: NodeJS.ProcessEnv, mode: string): NodeJS.ProcessEnv {
  const named = valueOf(environment, 'ALLOWED_TARGET_NETWORKS');
  const all = [...(named === undefined ? [] : [named]), ...(mode === 'production' ? [] : ['127.0.0.0/8'])];
  return all.length === 0 ? {} : { ALLOWED_TARGET_NETWORKS: all.join(',') };
}

function wantsDemo(asked: string | undefined, { mode, isTrial }: { mode: string; isTrial: boolean }): boolean {
  if (asked && asked !== '0' && asked !== '1') throw new Failure('CURFEW_DEMO is neither 0 nor 1');
  if (asked === '1' && mode === 'production')
    throw new Failure('CURFEW_ENV=production refuses the demo and the embedded OpenID provider', [
      'Leave CURFEW_DEMO away, and set OIDC_ISSUER.',
    ]);
  return asked ? asked === '1' : isTrial;
}

function modeOf(text = 'development'): string {
  if (MODES.includes(text)) return text;
  throw new Failure(`CURFEW_ENV is neither ${MODES.join(' nor ')}`);
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
