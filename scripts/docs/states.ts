import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Machine } from '../../libs/kernel/src/machine.ts';

type AnyMachine = Machine<Readonly<Record<string, Readonly<Record<string, string>>>>>;

/** The comment, the machine and the reasons of one `*.machine.ts`. */
interface Lifecycle {
  readonly file: string;
  readonly about: string;
  readonly machine: AnyMachine;
  readonly reasons: readonly string[];
}

const INTRODUCTION = `# States

Generated from the machines in \`libs/*/src/*.machine.ts\` by \`npm run docs\`; a test fails when this page is stale.

Each lifecycle is a table that says, for each state, which event leads where; there is no other way to change a state. The database checks the
same states, and writes an event into the record for every change. An arrow bears what happened.`;

/** Every lifecycle of the house as a diagram. */
export async function statesPage(root: string): Promise<string> {
  const files = globSync('libs/*/src/*.machine.ts', { cwd: root }).toSorted();
  const lifecycles = await Promise.all(files.map((file) => readLifecycle(root, file)));
  return [INTRODUCTION, ...lifecycles.map(section)].join('\n\n');
}

async function readLifecycle(root: string, file: string): Promise<Lifecycle> {
  const path = join(root, file);
  const exported = (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>;
  const name = Object.keys(exported).find((key) => key.endsWith('Machine'));
  const about = /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*export const \w+Machine\b/.exec(readFileSync(path, 'utf8'))?.[1];
  if (name === undefined || about === undefined) throw new Error(`${file} has no machine with a comment`);
  const reasons = Object.entries(exported).find(([key]) => key.endsWith('REASONS'))?.[1] ?? [];
  return {
    file,
    about: about.replaceAll(/\s*\n\s*\*\s*/g, ' ').trim(),
    machine: exported[name] as AnyMachine,
    reasons: reasons as readonly string[],
  };
}

function section({ file, about, machine, reasons }: Lifecycle): string {
  const words = machine.name.replaceAll('_', '-');
  const why = reasons.length > 0 ? [`Why it ends: ${reasons.map((reason) => `\`${reason}\``).join(', ')}.`] : [];
  return [`## ${words}`, about, diagram(machine), ...why, `From [\`${file}\`](../${file}).`].join('\n\n');
}

function diagram(machine: AnyMachine): string {
  const arrows = machine.states.flatMap((state) => [
    ...Object.entries(machine.table[state] ?? {}).map(([event, next]) => `${state} --> ${next}: ${event}`),
    ...(machine.isFinal(state) ? [`${state} --> [*]`] : []),
  ]);
  const lines = ['stateDiagram-v2', `[*] --> ${machine.initial}`, ...arrows];
  return `\`\`\`mermaid\n${lines.join('\n  ')}\n\`\`\``;
}
