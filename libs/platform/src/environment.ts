import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z, type ZodObject } from 'zod';
import { AppError, Secret } from '@app/kernel';

/** An empty variable is an absent one: `VAR=` in a Compose file sets nothing. */
const withoutEmpty = (source: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(Object.entries(source).filter((entry): entry is [string, string] => Boolean(entry[1])));

/** Of what is no number zod would only say that it is NaN. */
const whole = () =>
  z.coerce.number({ error: ({ code }) => (code === 'invalid_type' ? 'is not a whole number' : undefined) }).int();

const seconds = (fallback: number, max: number, description: string) =>
  whole().min(1).max(max).default(fallback).describe(description);

const perMinute = (description: string) => whole().min(1).max(10_000).default(30).describe(description);

const flag = (description: string) =>
  z
    .enum(['0', '1'])
    .default('0')
    .transform((value) => value === '1')
    .describe(description);

const secret = (description: string) =>
  z
    .string()
    .min(1)
    .transform((value) => new Secret(value))
    .describe(description);

const common = {
  CURFEW_ENV: z
    .enum(['production', 'development'])
    .default('production')
    .describe('`production` refuses the embedded identity provider and the demo.'),
  DATABASE_URL: secret(
    "PostgreSQL 16 or later, with this process' own role (`curfew_api`, `curfew_worker`, `curfew_timekeeper`).",
  ),
  REDIS_URL: secret(
    'Redis for the queue, when there is more than one machine. Without it the queue lives in PostgreSQL.',
  ).optional(),
  HOST: z.string().default('127.0.0.1').describe('The address to listen on.'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug'])
    .default('info')
    .describe('The least level that is logged.'),
  CURFEW_FAILPOINTS: z
    .string()
    .optional()
    .describe(
      'For tests: the folder that says at which lines this process is killed or stopped. Refused in production.',
    ),
};

function refuseTestsInProduction(
  { CURFEW_ENV, CURFEW_FAILPOINTS }: { CURFEW_ENV: string; CURFEW_FAILPOINTS?: string | undefined },
  context: z.RefinementCtx,
): void {
  if (CURFEW_ENV !== 'production' || CURFEW_FAILPOINTS === undefined) return;
  context.addIssue({ code: 'custom', path: ['CURFEW_FAILPOINTS'], message: 'is for tests, and refused in production' });
}

const CIDR = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], {
  error: 'takes addresses and CIDRs, separated by commas: 10.1.2.3, 10.0.0.0/8, fd00::/8',
});

const networks = (whole: string) =>
  z
    .string()
    .transform((list) => list.split(',').map((entry) => entry.trim()))
    .pipe(z.array(CIDR.refine((entry) => !entry.endsWith('/0'), whole)))
    .optional();

const allowedTargetNetworks = networks('allows everything').describe(
  'Where targets may be although they are refused there otherwise, as addresses and CIDRs with commas between: loopback, link-local and metadata addresses, and others that are of no one machine. Each connection is judged by the address that it goes to; ordinary public and private addresses need no word.',
);

const trustedProxies = networks('trusts everybody').describe(
  'The reverse proxies before the API, as addresses and CIDRs with commas between. What they say in `X-Forwarded-For` is believed, of nobody else; none by default.',
);

const sealingKeyFile = z
  .string()
  .describe('The file with the key-encryption key: 32 random bytes in base64 (`openssl rand -base64 32`), mode 0600.');

const api = z.object({
  ...common,
  PORT: whole().min(0).max(65_535).default(7420).describe('The port of the API.'),
  PUBLIC_URL: z.url({ protocol: /^https?$/ }).describe('The address under which people and CLIs reach the API.'),
  SEALING_KEY_FILE: sealingKeyFile,
  POLICY_DIR: z.string().default('policies').describe('The folder of `*.cedar` and `groups.yaml`.'),
  OIDC_ISSUER: z
    .url()
    .optional()
    .describe('The OpenID provider that people sign in with. Its ID tokens need `auth_time`.'),
  OIDC_CLIENT_ID: z
    .string()
    .default('curfew')
    .describe("Curfew's client at the provider. It needs the device authorization grant."),
  OIDC_CLIENT_SECRET: secret("The client's secret; none for a public client.").optional(),
  OIDC_CONNECTION: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/)
    .default('default')
    .describe('The name of this connection: the part before the slash of a member in `groups.yaml`.'),
  OIDC_GROUP_CLAIM: z
    .string()
    .optional()
    .describe('The claim of the ID token that lists groups, when they shall count.'),
  OIDC_SCOPE: z.string().default('openid profile email').describe('The scope asked for at sign-in.'),
  SIGN_IN_MAX_SECONDS: seconds(43_200, 2_592_000, 'How long a sign-in can be refreshed, in seconds.'),
  SIGN_INS_PER_MINUTE: perMinute(
    'How many sign-ins may be begun from one address in a minute, at each process of the API.',
  ),
  PICK_UPS_PER_MINUTE: perMinute(
    'How many credentials one person may try to pick up in a minute, at each process of the API.',
  ),
  ALLOWED_TARGET_NETWORKS: allowedTargetNetworks,
  ACTIVATE_WITHIN_SECONDS: seconds(900, 86_400, 'How long after its approval a grant may begin, in seconds.'),
  CURFEW_DEMO: flag('`1` starts the embedded identity provider and adds the demo target. Refused in production.'),
  CURFEW_DEMO_FILE: z
    .string()
    .optional()
    .describe('The file with the accounts and targets of the demo. `npm start` writes it.'),
  TRUSTED_PROXIES: trustedProxies,
  TLS_CERT_FILE: z
    .string()
    .optional()
    .describe('The file with the certificate chain of the API, in PEM. Renewed files are taken up within a minute.'),
  TLS_KEY_FILE: z.string().optional().describe('The file with the private key of `TLS_CERT_FILE`, in PEM.'),
});

/** Tokens and credentials go over this line: in production it is encrypted, or does not leave the machine. */
export const apiEnvironment = api.superRefine(refuseTestsInProduction).superRefine((values, context) => {
  for (const [name, message] of [...certificateProblems(values), ...clearTextProblems(values)])
    context.addIssue({ code: 'custom', path: [name], message });
});

type Problems = [name: keyof z.infer<typeof api>, message: string][];

function certificateProblems({ TLS_CERT_FILE: cert, TLS_KEY_FILE: key }: z.infer<typeof api>): Problems {
  if ((cert === undefined) === (key === undefined)) return [];
  return [[cert === undefined ? 'TLS_CERT_FILE' : 'TLS_KEY_FILE', 'a certificate and its key go together']];
}

function clearTextProblems(values: z.infer<typeof api>): Problems {
  if (values.CURFEW_ENV !== 'production') return [];
  const isEncrypted = values.TLS_CERT_FILE !== undefined || values.TRUSTED_PROXIES !== undefined;
  const url = URL.parse(values.PUBLIC_URL);
  const problems: Problems = [];
  if (!isEncrypted && !isLoopback(values.HOST)) problems.push(['HOST', CLEAR_TEXT]);
  if (url?.protocol === 'http:' && !isLoopback(url.hostname)) problems.push(['PUBLIC_URL', 'it begins with https://']);
  return problems;
}

const CLEAR_TEXT =
  'plain HTTP on anything but loopback is refused in production: set TLS_CERT_FILE and TLS_KEY_FILE, or TRUSTED_PROXIES to the proxy that encrypts';

/** @param host a name or an address, as in a URL or bare */
function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '');
  return bare === 'localhost' || (isIP(bare) !== 0 && ipaddr.process(bare).range() === 'loopback');
}

export const workerEnvironment = z
  .object({
    ...common,
    PORT: whole().min(0).max(65_535).default(7421).describe('The port of health and metrics.'),
    SEALING_KEY_FILE: sealingKeyFile,
    PROOF_KEY_FILE: z
      .string()
      .describe(
        'The file with the key that only the prover uses; same form as `SEALING_KEY_FILE`, another key, given to no other process.',
      ),
    ALLOWED_TARGET_NETWORKS: allowedTargetNetworks,
    WORKER_CONCURRENCY: whole()
      .min(1)
      .max(64)
      .default(32)
      .describe('How many operations one worker carries out at once.'),
    WORK_PER_TARGET: whole()
      .min(1)
      .max(64)
      .default(4)
      .describe(
        'How many of them may be at one target: so many ends, and so many of everything else. A target that is slow or dead keeps no others waiting while twice as many are below `WORKER_CONCURRENCY`.',
      ),
    STUCK_AFTER_SECONDS: seconds(60, 86_400, 'How long an end may take before its grant is `stuck`, in seconds.'),
    RETRY_CAP_SECONDS: seconds(30, 3_600, 'The longest pause between two attempts, in seconds.'),
    TIDY_CAP_SECONDS: seconds(
      600,
      86_400,
      'The longest pause between two attempts to tidy up what an ended grant left without power, in seconds: as a rule somebody has to look at it first.',
    ),
    SURVEY_SECONDS: seconds(
      300,
      86_400,
      'How often each target is looked through for what bears our name and belongs to no grant, in seconds.',
    ),
  })
  .superRefine(refuseTestsInProduction);

export const timekeeperEnvironment = z
  .object({
    ...common,
    PORT: whole().min(0).max(65_535).default(7422).describe('The port of health and metrics.'),
  })
  .superRefine(refuseTestsInProduction);

export const migrateEnvironment = z.object({
  DATABASE_URL: secret(
    'An existing database, with a role that may create roles and owns the database (or a superuser).',
  ),
  API_DATABASE_PASSWORD: secret('The password that `curfew_api` shall have.'),
  WORKER_DATABASE_PASSWORD: secret('The password that `curfew_worker` shall have.'),
  TIMEKEEPER_DATABASE_PASSWORD: secret('The password that `curfew_timekeeper` shall have.'),
});

export type ApiEnvironment = z.infer<typeof apiEnvironment>;
export type WorkerEnvironment = z.infer<typeof workerEnvironment>;
export type TimekeeperEnvironment = z.infer<typeof timekeeperEnvironment>;

export class InvalidEnvironment extends AppError {
  constructor(problems: readonly string[]) {
    super({
      kind: 'invalid',
      code: 'platform.invalid_environment',
      message: `the environment is not right:\n  ${problems.join('\n  ')}`,
      advice: 'docs/configuration.md lists every variable.',
      details: { problems },
    });
  }
}

function readValue(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8').trimEnd();
  } catch (cause) {
    // Without its path: somebody may have put the secret itself there.
    throw new InvalidEnvironment([`${name}_FILE: the file cannot be read (${(cause as NodeJS.ErrnoException).code})`]);
  }
}

/**
 * The only reader of `process.env`. Any variable may come from a file instead: `NAME_FILE` names it, as container
 * platforms mount secrets.
 *
 * @throws InvalidEnvironment which names every variable that is wrong, and never shows a value
 */
export function readEnvironment<Schema extends ZodObject>(schema: Schema, source = process.env): z.infer<Schema> {
  const values: Record<string, string> = withoutEmpty(source);
  for (const name of Object.keys(schema.shape)) {
    const file = values[`${name}_FILE`];
    if (file !== undefined && values[name] === undefined && !(`${name}_FILE` in schema.shape)) {
      const text = readValue(name, file);
      // An empty file is an absent value, as an empty variable is.
      if (text !== '') values[name] = text;
    }
  }
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  throw new InvalidEnvironment(
    result.error.issues.map((issue) =>
      values[String(issue.path[0])] === undefined
        ? `${issue.path.join('.')} is missing`
        : `${issue.path.join('.')}: ${issue.message}`,
    ),
  );
}
