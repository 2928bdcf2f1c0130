import type { Command } from 'commander';
import { Argument } from 'commander';
import type { Act } from '../act';
import { complete } from '../completion';
import { SCRIPTS, type Shell } from '../completion-scripts';
import type { Context } from '../context';

export function addCompletionCommands(program: Command, act: Act): void {
  const curfew = program.name();
  program
    .command('completion')
    .description('print a script that completes commands in a shell')
    .addArgument(new Argument('<shell>').choices(Object.keys(SCRIPTS)))
    .addHelpText(
      'after',
      [
        '',
        'To have it in every shell:',
        `  bash  ${curfew} completion bash > ~/.local/share/bash-completion/completions/curfew`,
        `  zsh   ${curfew} completion zsh > a folder of your $fpath, as _curfew`,
        `  fish  ${curfew} completion fish > ~/.config/fish/completions/curfew.fish`,
      ].join('\n'),
    )
    .action(act<[Shell]>(async ({ terminal }, _, shell) => terminal.print(SCRIPTS[shell].trimEnd())));
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .action(act<[string[]]>((context, _, words) => suggest(context, program, words)));
}

/** A word a line, with what it means after a tab. */
async function suggest(context: Context, program: Command, words: readonly string[]): Promise<void> {
  const found = await complete(program, words, context);
  if (found.length > 0) context.terminal.print(...found.map(({ word, about }) => `${word}\t${about}`));
}
