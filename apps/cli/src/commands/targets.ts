import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { AppError, Secret } from '@app/kernel';
import type { Act } from '../act';
import type { Context } from '../context';
import { EXIT } from '../exit-codes';
import { UsageError } from '../failure';
import type { Page, CheckReport, Target } from '../service/shapes';
import type { Paint } from '../terminal/paint';
import { progress } from '../terminal/progress';
import { askHidden, readAll } from '../terminal/prompt';
import { pairs, table, type Cell } from '../terminal/table';
import { visible, visibleLines } from '../terminal/visible';
import { addStraysCommand } from './strays';
import { parseName } from './target-name';
import { approverWords, durationWords, endingWords } from './words';

const MAX_FILE = 200_000;
const MAX_PASSWORD = 1_000;

interface AddOptions {
  readonly file: string;
  readonly passwordFile?: string;
  readonly replace?: boolean;
  readonly moved?: boolean;
  readonly acceptCreateroleOn15?: boolean;
}

export function addTargetCommands(program: Command, act: Act): void {
  const targets = program.command('targets').description('what access is given to');
  targets
    .command('list')
    .description('list what you may ask for, how long, and who would approve')
    .action(act<[]>(list));
  targets.command('show').description('show one target').argument('<name>').action(act<[string]>(show));
  targets
    .command('add')
    .description('connect a target; its password comes from standard input, a file, or a question')
    .requiredOption('-f, --file <file>', 'what describes it (YAML); docs/providers/postgres.md has a whole one')
    .option('--password-file <file>', "the password of Curfew's own account there; - is standard input")
    .option('--replace', 'change the target of this name')
    .option('--moved', 'with --replace: it is reached another way, and is the same system')
    .option('--accept-createrole-on-15', 'accept that on PostgreSQL 15 this account is as good as a superuser')
    .action(act<[], AddOptions>(add));
  targets
    .command('check')
    .description('check the connection, and what our account there may do and should not')
    .argument('<name>')
    .action(act<[string]>(check));
  addStraysCommand(targets, act);
}

async function list({ api, terminal }: Context): Promise<void> {
  const { items } = await api.page<Target>('/v1/targets');
  terminal.show({ items } satisfies Page<Target>, () => {
    const rows = items.flatMap(rowsOf);
    if (rows.length === 0) return ['There is nothing that you may ask for.'];
    return table(
      [
        { title: 'WHAT', shrinkTo: 16 },
        { title: 'UP TO' },
        { title: 'WHO APPROVES', shrinkTo: 14 },
        { title: 'NOTES', shrinkTo: 10 },
      ],
      rows,
      { paint: terminal.paint, width: terminal.width },
    );
  });
}

/** One line for each way to each entitlement. */
function rowsOf({ entitlements, ending }: Target): Cell[][] {
  const warning = ending.enforcedBy === 'curfew' ? ['ends only while Curfew runs'] : [];
  return entitlements.flatMap(({ name, paths }): Cell[][] => {
    if (paths.length === 0)
      return [[{ text: name, colour: 'bold' }, '', { text: 'not for you to ask', colour: 'dim' }, warning.join('; ')]];
    return paths.map((path): Cell[] => [
      { text: name, colour: 'bold' },
      durationWords(path.maxDurationSeconds),
      approverWords(path),
      [...(path.needsSignIn ? ['after a fresh sign-in'] : []), ...warning].join('; '),
    ]);
  });
}

async function show({ api, terminal }: Context, _: object, name: string): Promise<void> {
  const target = await api.get<Target>(`/v1/targets/${parseName(name)}`);
  const { paint } = terminal;
  terminal.show(target, () => [
    ...pairs(
      [
        ['target', paint('bold', visible(target.name))],
        ['kind', visible(target.kind)],
        ['owner', visible(target.owner)],
        ['how it ends', endingWords(target.ending)],
        ...Object.entries(target.connection ?? {}).map(
          ([key, value]) => [visible(key), visibleLines(shown(value))] as const,
        ),
      ],
      paint,
    ),
    ...target.entitlements.flatMap(({ name: entitlement, paths }) => [
      '',
      `  ${paint('bold', visible(entitlement))}`,
      ...(paths.length === 0 ? [`    ${paint('dim', 'not for you to ask')}`] : []),
      ...paths.flatMap((path) => [
        `    up to ${durationWords(path.maxDurationSeconds)}, approved by ${visible(approverWords(path))}${path.needsSignIn ? ', after a fresh sign-in' : ''}`,
        `      ${paint('dim', visible(path.description === undefined ? path.policy : `${path.policy}: ${path.description}`))}`,
      ]),
    ]),
  ]);
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

async function check(context: Context, _: object, name: string): Promise<number> {
  const { asTyped, terminal } = context;
  const report = await checked(context, parseName(name));
  terminal.show(report, () => checkWords(terminal.paint, name, report).map(asTyped));
  return report.ok ? EXIT.ok : EXIT.found;
}

const checked = ({ api, terminal }: Context, name: string): Promise<CheckReport> =>
  progress(terminal, `checking ${name}`, () => api.post<CheckReport>(`/v1/targets/${name}/checks`));

function checkWords(paint: Paint, name: string, { ok, version, findings }: CheckReport): string[] {
  const colours = { missing: 'red', excess: 'red', wrong: 'red', notice: 'yellow' } as const;
  const statements = script(findings);
  const remedies = findings.flatMap(({ remedy }) => (remedy === undefined ? [] : visibleLines(remedy)));
  return [
    `${ok ? paint('green', '✓') : paint('red', '✗')} ${name} ${ok ? 'is right' : 'is not right yet'}${version === undefined ? '' : ` (${visible(version)})`}`,
    ...findings.map(({ kind, message }) => `  ${paint(colours[kind], kind.padEnd(7))} ${visible(message)}`),
    ...(statements.length === 0
      ? []
      : ['', '  The SQL that mends it, to be run as a superuser, in this order:', '', ...indented(statements)]),
    ...(remedies.length === 0 ? [] : ['', '  What else is to be done:', '', ...indented(remedies)]),
  ];
}

const indented = (lines: readonly string[]): string[] => lines.map((line) => `    ${line}`);

/** What `psql` takes as it is: it goes to another database where a statement has to be run there. */
function script(findings: CheckReport['findings']): string[] {
  let place: string | undefined;
  return findings.flatMap(({ sql = [], database = place }) => {
    const lines = sql.map(visible);
    if (lines.length === 0 || database === undefined || database === place) return lines;
    place = database;
    return [`\\connect "${visible(database).replaceAll('"', '""')}"`, ...lines];
  });
}

async function add(context: Context, options: AddOptions): Promise<void> {
  if (options.moved === true && options.replace !== true) throw new UsageError('--moved goes with --replace');
  if (options.file === '-' && (options.passwordFile === undefined || options.passwordFile === '-'))
    throw new UsageError('the file comes from standard input, so the password cannot', 'Give it with --password-file.');
  const file = await targetFile(context, options);
  const name = parseName(typeof file['name'] === 'string' ? file['name'] : '');
  const password = await readPassword(context, options, name);
  const { api, terminal } = context;
  const body = { file, password: password.reveal(), ...(options.moved === true && { moved: true }) };
  const target =
    options.replace === true
      ? await api.put<Target>(`/v1/targets/${name}`, body)
      : await api.post<Target>('/v1/targets', body);
  terminal.show(target, () => [
    `${terminal.paint('green', '✓')} ${name} is ${options.replace === true ? 'changed' : 'added'}.`,
  ]);
  await sayWhetherRight(context, name);
}

/** Said at once, and no condition: what does not answer now, or is not right yet, may be added. */
async function sayWhetherRight(context: Context, name: string): Promise<void> {
  const { asTyped, terminal } = context;
  const again = context.suggest(`targets check ${name}`);
  try {
    const report = await checked(context, name);
    terminal.note(...checkWords(terminal.notePaint, name, report).map(asTyped));
    if (!report.ok) terminal.note('', `  ${terminal.notePaint('dim', again)}`);
  } catch (error) {
    const why = error instanceof AppError ? error.message : 'interrupted';
    terminal.note(`It could not be checked now (${visible(why)}): ${again}`);
    if (!(error instanceof AppError)) throw error;
  }
}

async function targetFile(
  { terminal }: Context,
  { file, acceptCreateroleOn15 }: AddOptions,
): Promise<Record<string, unknown>> {
  const text = file === '-' ? await readAll(terminal, MAX_FILE) : fileText(file, MAX_FILE);
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error) throw new UsageError(`${file} is not YAML`, error.message.split('\n')[0]);
  const content: unknown = document.toJS({ maxAliasCount: 0 });
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw new UsageError(
      `${file} does not describe a target`,
      'It begins with `name:`; docs/providers/postgres.md has a whole one.',
    );
  const target = content as Record<string, unknown>;
  if (acceptCreateroleOn15 !== true) return target;
  return { ...target, connection: { ...(target['connection'] as object | undefined), acceptCreateroleOn15: true } };
}

async function readPassword(
  { terminal }: Context,
  { passwordFile }: AddOptions,
  name: string,
): Promise<Secret<string>> {
  const isAsked = passwordFile === undefined && terminal.isInteractive;
  const password = isAsked
    ? await askHidden(terminal, `Password of Curfew's own account on ${name}: `)
    : withoutLineEnd(
        passwordFile === undefined || passwordFile === '-'
          ? await readAll(terminal, MAX_FILE)
          : fileText(passwordFile, MAX_FILE),
      );
  const { length } = password.reveal();
  if (length === 0)
    throw new UsageError('the password is empty', 'Give it on standard input, or with --password-file.');
  if (length > MAX_PASSWORD) throw new UsageError(`the password is longer than ${MAX_PASSWORD} characters`);
  if (password.reveal().includes('\n'))
    throw new UsageError('the password has several lines', 'It is the whole of the input: one line.');
  return password;
}

const withoutLineEnd = (text: string): Secret<string> => new Secret(text.replace(/\r?\n$/, ''));

function fileText(path: string, max: number): string {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > max) throw new UsageError(`${path} is larger than ${max} bytes`);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(
      `${path} cannot be read`,
      error instanceof TypeError ? 'It is not UTF-8.' : systemWords((error as NodeJS.ErrnoException).code),
    );
  }
}

/** What the system says, in words where people run into it. */
const systemWords = (code = ''): string =>
  ({ ENOENT: 'There is no such file.', EACCES: 'You may not read it.', EISDIR: 'It is a folder.' })[code] ?? code;
