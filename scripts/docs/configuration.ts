import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z, type ZodObject } from 'zod';
import {
  apiEnvironment,
  migrateEnvironment,
  timekeeperEnvironment,
  workerEnvironment,
} from '../../libs/platform/src/environment.ts';
import { hasFileForm, variablesThatAre } from '../variables.ts';

/** What is said of a variable that no schema describes. */
type Words = Readonly<Record<string, string>>;

const START: Words = {
  DATABASE_URL:
    'A PostgreSQL 16 or later instead of the embedded one, with a role that may create roles and owns the database. No demo is seeded then, unless `CURFEW_DEMO=1`.',
  CURFEW_ENV:
    '`development` (the default here) or `production`, which refuses the demo and the embedded OpenID provider.',
  CURFEW_DEMO:
    '`1`: the demo and the embedded OpenID provider, also with `DATABASE_URL`. `0`: neither. The default is `1` with the embedded database and no `OIDC_ISSUER`; with `OIDC_ISSUER`, `1` is the demo database alone, and nobody of the demo can sign in.',
  CURFEW_HOME:
    'The folder for everything that is made: the database, keys, passwords, logs. Default: `.curfew` in the clone.',
  PORT: 'The port of the API, 7420 by default. When it is taken, another one is chosen, and said. The worker and the timekeeper take any free port.',
};

const COMMAND_LINE: Words = {
  CURFEW_URL: 'The address of Curfew. Without it: that of the service that runs in the clone, or of the last sign-in.',
  CURFEW_PROFILE: 'The profile to act as, like `--profile`. Each profile has its own sign-in.',
  CURFEW_INSECURE_HTTP: '`1` allows plain HTTP to another machine. What is handed over can be read on the way.',
  CURFEW_HOME: 'Where the service of a clone says its address. The script `./curfew` sets it.',
  CURFEW_COMMAND: 'How the program is called in the commands that it suggests. Default: `curfew`.',
  XDG_STATE_HOME:
    'Sign-ins and picked-up credentials are kept in `curfew` below it, readable by their owner only. Default: `~/.local/state`.',
  HOME: 'The home that `~` stands for.',
  NO_COLOR: 'Anything: no colour. See <https://no-color.org>.',
  TERM: '`dumb`: no colour and no moving text.',
};

const COMPOSE: Words = {
  CURFEW_IMAGE: 'The image of every process. Default: the one that is built from this folder.',
  CURFEW_LISTEN: 'Where the host listens for the API. Default: `127.0.0.1:7420`. Set `PUBLIC_URL` to what people see.',
  CURFEW_UID:
    'The user of the containers, who owns the two keys in `secrets/`. `deploy/secrets.sh` notes it in `.env`.',
  CURFEW_GID: 'That user’s group.',
  OIDC_CLIENT_SECRET_FILE: 'The path of a file on the host with the secret of a confidential client.',
};

const INTRODUCTION = `# Configuration

Generated from the schemas in \`libs/platform/src/environment.ts\` by \`npm run docs\`; a test fails when this page is stale.

Curfew is configured by environment variables alone; what people decide about (targets, policies) is in files that they apply. A process reads its
variables once, at the start. It refuses to start when one is missing or wrong, names every such variable, and never shows a value.

- **From a file.** Every variable \`NAME\` can be read from a file that \`NAME_FILE\` names, as container platforms mount secrets: the content
  without trailing white space. \`NAME\` itself comes first when both are set.
- **Empty is absent.** \`NAME=\` sets nothing.
- A variable without a default and without "optional" has to be set.`;

const EDGE = `## The line to the API

Tokens and credentials go over it. In production the API refuses to listen in plain HTTP on anything but loopback, unless it is told who encrypts:

- **Itself:** \`TLS_CERT_FILE\` and \`TLS_KEY_FILE\`. Renewed files are taken up without a restart; files that do not fit together are not, and the log says so.
- **A reverse proxy:** \`TRUSTED_PROXIES\` names the addresses that it connects from. The client's address, which policies and the record speak of, is then the nearest one in
  \`X-Forwarded-For\` that is not itself a trusted proxy. Nobody else's header is believed. The proxy has to set it, and nobody else may be able to connect from its address.

\`PUBLIC_URL\` then begins with \`https://\`. The worker and the timekeeper answer for health and numbers only: keep their ports to your own network.`;

/** Every variable, by process. */
export function configurationPage(root: string): string {
  return [
    INTRODUCTION,
    process('api', 'The control plane: the one process that people and programs talk to.', apiEnvironment),
    process('worker', 'Carries out what is due at the targets. Several may run.', workerEnvironment),
    process('timekeeper', 'Ends what is due, on time. Several may run.', timekeeperEnvironment),
    process('migrate', 'Brings the database to the version of the build, and ends.', migrateEnvironment),
    EDGE,
    keys(),
    start(),
    commandLine(root),
    compose(root),
  ].join('\n\n');
}

interface Property {
  readonly description?: string;
  readonly default?: string | number;
  readonly enum?: readonly string[];
  readonly type?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

function process(name: string, about: string, schema: ZodObject): string {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const rows = Object.entries(properties).map(([variable, property]) =>
    row(variable, property as Property, {
      required: required.includes(variable),
      taken: `${variable}_FILE` in properties,
    }),
  );
  const head = ['| Variable | From a file | Default | Meaning |', '| --- | --- | --- | --- |'];
  return [`## \`${name}\``, about, [...head, ...rows].join('\n')].join('\n\n');
}

/** `taken`: the name of its file form is another variable's. */
function row(variable: string, property: Property, { required, taken }: { required: boolean; taken: boolean }): string {
  if (!property.description) throw new Error(`${variable} is not described in its schema`);
  const absent = required ? '' : 'optional';
  const value = property.default === undefined ? absent : `\`${property.default}\``;
  const own = variable.endsWith('_FILE') ? 'is one' : `\`${variable}_FILE\``;
  const file = taken ? '' : own;
  return `| \`${variable}\` | ${file} | ${value} | ${property.description}${bounds(property)} |`;
}

function bounds({ type, minimum, maximum, enum: values }: Property): string {
  if (values) return ` One of ${values.map((value) => `\`${value}\``).join(', ')}.`;
  return type === 'integer' ? ` A whole number from ${minimum} to ${maximum}.` : '';
}

function keys(): string {
  return `## The two keys

\`SEALING_KEY_FILE\` seals what Curfew keeps: the passwords of targets, credentials until they are picked up, personal data beside the record.
\`PROOF_KEY_FILE\` seals the copy of a credential with which the worker proves that it no longer works, and no other process has it. Each is 32 random
bytes in base64, in a file of mode 0600 that belongs to the user of the process:

\`\`\`sh
(umask 077 && openssl rand -base64 32 > sealing.key && openssl rand -base64 32 > proof.key)
\`\`\`

Keep a copy of both apart from the backups of the database: what is sealed opens with these keys only, and whoever has both has everything.
[The runbook](runbook.md#a-key-file-is-lost) says what is lost with a key.`;
}

function table(words: Words): string {
  const rows = Object.entries(words).map(([name, meaning]) => `| \`${name}\` | ${meaning} |`);
  return ['| Variable | Meaning |', '| --- | --- |', ...rows].join('\n');
}

/** Asked of the starter itself: what becomes of the processes' variables. */
function start(): string {
  const list = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');
  const fromFile = Object.keys(START).filter((name) => variablesThatAre('asked').includes(name) && hasFileForm(name));
  return `## \`npm start\`

The starter makes keys, passwords and addresses itself. It is told:

${table(START)}

Of these, ${list(fromFile)} can come from a file as well (\`NAME_FILE\`).

It hands on to the processes that know them, from the environment or as the file that \`NAME_FILE\` names: ${list(variablesThatAre('handed on'))}. A
path that is not absolute starts where npm was called.

It makes these itself, and says so when they are set: ${list(variablesThatAre('made here'))}. So it listens on 127.0.0.1 only, in plain HTTP.

Nothing else of its environment is handed on but what a Node process needs (\`PATH\`, \`HOME\`, the locale, \`TZ\`, \`TMPDIR\`, \`NODE_EXTRA_CA_CERTS\`, the proxy).`;
}

function commandLine(root: string): string {
  const source = readFileSync(join(root, 'apps/cli/src/environment.ts'), 'utf8');
  assertSame('apps/cli/src/environment.ts', [...source.matchAll(/read\('([A-Z_]+)'\)/g)], Object.keys(COMMAND_LINE));
  return `## The command line

${table(COMMAND_LINE)}

[The page on the command line](cli.md) has its options.`;
}

function compose(root: string): string {
  const source = readFileSync(join(root, 'docker-compose.yml'), 'utf8');
  const names = [...new Set([...source.matchAll(/\$\{([A-Z_]+)/g)].map((match) => match[1] ?? ''))];
  const processes = [apiEnvironment, workerEnvironment, timekeeperEnvironment].flatMap(({ shape }) =>
    Object.keys(shape),
  );
  const own = names.filter((name) => !processes.includes(name));
  assertSame(
    'docker-compose.yml',
    own.map((name) => [name, name]),
    Object.keys(COMPOSE),
  );
  const handed = names.filter((name) => processes.includes(name)).map((name) => `\`${name}\``);
  return `## \`docker compose\`

In the environment, or in a file \`.env\` beside \`docker-compose.yml\`. \`OIDC_ISSUER\` has to be set.

${table(COMPOSE)}

Handed on to the processes: ${handed.join(', ')}. Everything else they need is in \`docker-compose.yml\` and in the files that \`deploy/secrets.sh\` makes.`;
}

function assertSame(file: string, found: readonly (readonly string[])[], described: readonly string[]): void {
  const names = [...new Set(found.map((match) => match[1] ?? ''))];
  const wrong = names
    .filter((name) => !described.includes(name))
    .concat(described.filter((name) => !names.includes(name)));
  if (wrong.length > 0) throw new Error(`scripts/docs/configuration.ts and ${file} differ about ${wrong.join(', ')}`);
}
