import { join, relative } from 'node:path';
import { paths, type Clone } from './clone.ts';
import type { Demo } from './demo-target.ts';
import type { Terminal } from './terminal.ts';

const ROLES: Readonly<Record<string, string>> = {
  ada: 'engineer',
  ben: 'owner of the orders database',
  cleo: 'auditor',
  root: 'administrator',
};

/** What somebody who has just started Curfew wants to know: where, as whom, and what to type. */
export function welcome(
  terminal: Terminal,
  clone: Clone,
  at: { url: string; demo: Demo | undefined; data: readonly string[] | undefined; from: string },
): void {
  terminal.say();
  terminal.say(`  Curfew runs at  ${terminal.bold(at.url)}`);
  if (at.demo) accounts(terminal, clone, at.demo);
  const curfew = command(clone, at.from);
  terminal.say();
  terminal.say('  Next:');
  for (const [line, why] of nextCommands(curfew, at.demo !== undefined)) {
    terminal.say(`    ${terminal.dim(why)}`);
    terminal.say(`    ${terminal.bold(line)}`);
  }
  terminal.say();
  terminal.say(terminal.dim(`  Ctrl-C stops everything. ${whatStays(clone, at.data)}`));
  terminal.say();
}

/** `data`: the folders of a database of ours. */
function whatStays(clone: Clone, data: readonly string[] | undefined): string {
  return data
    ? `The data stay in ${data.join(' and ')}; npm run reset deletes them.`
    : `The data stay in your database, their keys in ${clone.home}.`;
}

/** Passwords are for the eyes of whoever sits there: a log file or a pipe gets the name of the file that has them. */
function accounts(terminal: Terminal, clone: Clone, demo: Demo): void {
  terminal.say();
  if (!terminal.isTerminal) return terminal.say(`  Demo accounts are in ${paths.demo(clone)}`);
  terminal.say('  Sign in as');
  for (const { subject, password } of demo.accounts) {
    terminal.say(`    ${subject.padEnd(6)}${password}   ${terminal.dim(ROLES[subject] ?? '')}`);
  }
}

function nextCommands(curfew: string, demo: boolean): [string, string][] {
  if (!demo)
    return [
      [`${curfew} login`, 'sign in:'],
      [`${curfew} targets list`, 'see what you may ask for:'],
      [`${curfew} --help`, 'and everything else:'],
    ];
  return [
    [`${curfew} login`, 'sign in, as ada:'],
    [
      `${curfew} request orders-db/read --for 30m --reason "a first look"`,
      'ask for half an hour; it waits for a decision:',
    ],
    [`${curfew} login --profile ben && ${curfew} inbox --profile ben`, 'decide, as ben in another terminal:'],
  ];
}

/** The command as it works where npm was called. */
function command(clone: Clone, from: string): string {
  const home = clone.home === join(clone.root, '.curfew') ? '' : `CURFEW_HOME=${quoted(clone.home)} `;
  return home + (relative(from, clone.root) === '' ? './curfew' : quoted(`${clone.root}/curfew`));
}

const quoted = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`;
