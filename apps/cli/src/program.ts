import { Command, CommanderError, Help } from 'commander';
import type { Act } from './act';
import { asTyped } from './as-typed';
import { addAccessCommands } from './commands/access';
import { addAuditCommands } from './commands/audit';
import { addCompletionCommands } from './commands/completion';
import { addDecisionCommands } from './commands/decisions';
import { addExecCommand } from './commands/exec';
import { addGrantCommands } from './commands/grants';
import { addPolicyCommands } from './commands/policy';
import { addSignInCommands } from './commands/sign-in';
import { addTargetCommands } from './commands/targets';
import { Context, type GlobalOptions, type Surroundings } from './context';
import { follow } from './completion';
import { EXIT, EXIT_MEANINGS } from './exit-codes';
import { UsageError } from './failure';
import { report, type Reader } from './report';
import { VERSION } from './service/http';
import { forgetExpired } from './service/upkeep';
import { nearest } from './suggestion';
import { Terminal } from './terminal/terminal';

/** Runs one command line. @returns the exit code */
export async function runCli(words: readonly string[], surroundings: Surroundings): Promise<number> {
  let context: Context | undefined;
  let code: number = EXIT.ok;
  const act: Act =
    (handler) =>
    async (...given) => {
      const command = given.at(-1) as Command;
      const options = command.optsWithGlobals<GlobalOptions>();
      forgetExpired(surroundings.environment.stateFolder);
      context = new Context(surroundings, options);
      code = (await handler(context, options as never, ...(given.slice(0, -2) as never))) ?? EXIT.ok;
    };
  const program = buildProgram(surroundings, act, { json: saysJson(words) });
  try {
    await program.parseAsync(words, { from: 'user' });
    await context?.tidy();
    return code;
  } catch (error) {
    // What went wrong is what counts.
    await context?.tidy().catch(() => undefined);
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    return report(readerOf(context, words, surroundings), plain(error, program, words));
  }
}

function buildProgram({ streams, environment }: Surroundings, act: Act, { json }: { json: boolean }): Command {
  const program = new Command(environment.command)
    .description('Access that ends on time.')
    .usage('<command> [options]')
    .version(`curfew ${VERSION}`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .option('--profile <name>', 'whose sign-in to use, where there are several (CURFEW_PROFILE)')
    .option('--url <url>', 'where the service is (CURFEW_URL)')
    .option('--json', 'print one JSON document, or a line of JSON each where it goes on')
    .option('--no-color', 'no colours (NO_COLOR)')
    // Ours are nearer: commander takes three mistakes in six letters for a slip.
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void streams.stdout.write(text),
      // The help of a group of commands without one of them: a problem is all that `--json` gets.
      writeErr: (text) => void (json || streams.stderr.write(text)),
      // Told by `report`, like everything else that goes wrong.
      outputError: () => undefined,
    })
    .configureHelp({
      showGlobalOptions: true,
      sortSubcommands: false,
      // As it has to be typed: what comes after -- is not ours.
      subcommandTerm: (command) => new Help().subcommandTerm(command).replace('> <command...>', '> -- <command...>'),
    })
    .addHelpText('after', exitCodes);
  addSignInCommands(program, act);
  addAccessCommands(program, act);
  addDecisionCommands(program, act);
  addGrantCommands(program, act);
  addExecCommand(program, act);
  addTargetCommands(program, act);
  addPolicyCommands(program, act);
  addAuditCommands(program, act);
  addCompletionCommands(program, act);
  return program;
}

function exitCodes(): string {
  return ['', 'Exit codes:', ...EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padEnd(5)}${meaning}`)].join(
    '\n',
  );
}

/** `curfew targets add`: where the words lead. */
function commandOf(program: Command, words: readonly string[]): string {
  const names: string[] = [];
  for (let command: Command | null = follow(program, words).command; command?.parent; command = command.parent)
    names.unshift(command.name());
  return ['curfew', ...names].join(' ');
}

/** Commander's words for what was typed, as one of ours. */
function plain(error: unknown, program: Command, words: readonly string[]): unknown {
  if (!(error instanceof CommanderError)) return error;
  const command = commandOf(program, words);
  // A group of commands without one of them: its help has been printed, where words are wanted.
  if (error.code === 'commander.help')
    return new UsageError('which one?', saysJson(words) ? `See \`${command} --help\`.` : 'The commands are above.');
  const message = error.message.replace(/^error: /, '');
  return new UsageError(message, `${hintAt(error, follow(program, words).command)}See \`${command} --help\`.`);
}

/** `Did you mean approve? `, where a word that is not known is near one that is. */
function hintAt({ code, message }: CommanderError, command: Command): string {
  const typed = /'([^]*)'/.exec(message)?.[1] ?? '';
  const meant =
    code === 'commander.unknownCommand'
      ? nearest(typed, namesIn(command))
      : code === 'commander.unknownOption' && typed.startsWith('--')
        ? nearest(typed.slice(2), flagsOf(command)).map((flag) => `--${flag}`)
        : [];
  return meant.length === 0 ? '' : `Did you mean ${meant.length > 1 ? 'one of ' : ''}${meant.join(', ')}? `;
}

const namesIn = (command: Command): string[] => new Help().visibleCommands(command).map((each) => each.name());

/** Those of the command, and those that every command takes. */
function flagsOf(command: Command): string[] {
  const own = new Help().visibleOptions(command).flatMap(({ long }) => (long ? [long.slice(2)] : []));
  return command.parent ? [...own, ...flagsOf(command.parent)] : own;
}

/** Before the options were understood there is no context, but an error still is JSON for who wants that. */
function readerOf(
  context: Context | undefined,
  words: readonly string[],
  { streams, environment }: Surroundings,
): Reader {
  if (context) return { terminal: context.terminal, now: nowOf(context), asTyped: context.asTyped };
  const plainly = environment.plain || ours(words).includes('--no-color');
  return {
    terminal: new Terminal(streams, { json: saysJson(words), plain: plainly }),
    now: 0,
    asTyped: (text) => asTyped(text, (command) => `${environment.command} ${command}`),
  };
}

const saysJson = (words: readonly string[]): boolean => ours(words).includes('--json');

/** The words that are not those of the command that `exec` runs. */
const ours = (words: readonly string[]): readonly string[] => {
  const end = words.indexOf('--');
  return end === -1 ? words : words.slice(0, end);
};

/** The address itself may be what is wrong. */
function nowOf(context: Context): number {
  try {
    return context.now;
  } catch {
    return 0;
  }
}
