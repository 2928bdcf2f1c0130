import { Command, CommanderError } from 'commander';
import type { Act } from './act';
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
import { EXIT, EXIT_MEANINGS } from './exit-codes';
import { UsageError } from './failure';
import { report } from './report';
import { VERSION } from './service/http';
import { forgetExpired } from './service/upkeep';
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
  const program = buildProgram(surroundings, act);
  try {
    await program.parseAsync(words, { from: 'user' });
    await context?.tidy();
    return code;
  } catch (error) {
    // What went wrong is what counts.
    await context?.tidy().catch(() => undefined);
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    return report(terminalFor(context, words, surroundings), plain(error), context ? nowOf(context) : 0);
  }
}

export function buildProgram({ streams }: Pick<Surroundings, 'streams'>, act: Act): Command {
  const program = new Command('curfew')
    .description('Access that ends on time.')
    .usage('<command> [options]')
    .version(`curfew ${VERSION}`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .option('--profile <name>', 'whose sign-in to use, where there are several (CURFEW_PROFILE)')
    .option('--url <url>', 'where the service is (CURFEW_URL)')
    .option('--json', 'print one JSON document, or a line of JSON each where it goes on')
    .option('--no-color', 'no colours (NO_COLOR)')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void streams.stdout.write(text),
      writeErr: (text) => void streams.stderr.write(text),
      // Told by `report`, like everything else that goes wrong.
      outputError: () => undefined,
    })
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
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

/** Commander's words for what was typed, as one of ours. */
function plain(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  // A group of commands without one of them: its help has been printed.
  if (error.code === 'commander.help') return new UsageError('which one?', 'The commands are above.');
  const [message, ...hints] = error.message.replace(/^error: /, '').split('\n');
  const hint = hints.join(' ').trim();
  return new UsageError(message ?? 'not understood', `${hint === '' ? '' : `${hint} `}See \`curfew --help\`.`);
}

/** Before the options were understood there is no context, but an error still is JSON for who wants that. */
function terminalFor(
  context: Context | undefined,
  words: readonly string[],
  { streams, environment }: Surroundings,
): Terminal {
  if (context) return context.terminal;
  const end = words.indexOf('--');
  const own = end === -1 ? words : words.slice(0, end);
  return new Terminal(streams, {
    json: own.includes('--json'),
    plain: environment.plain || own.includes('--no-color'),
  });
}

/** The address itself may be what is wrong. */
function nowOf(context: Context): number {
  try {
    return context.now;
  } catch {
    return 0;
  }
}
