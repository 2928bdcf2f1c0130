import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildMissing } from './build.ts';
import { thisClone } from './clone.ts';
import { runScript } from './script.ts';
import { stopRequests } from './stop-requests.ts';
import type { Terminal } from './terminal.ts';

/** As `test/bench/figures.ts` reports it. */
interface Figure {
  readonly name: string;
  readonly goal: string;
  readonly measured: string;
  readonly floor?: string;
  readonly met: boolean;
}

// `npm run bench`: measures, and prints a table. Nothing else is to run on the machine meanwhile.
const USAGE = `npm run bench -- [--json FILE] [--rounds N] [--only WORDS] [--backends NAMES] [file…]   measures, and prints a table
npm run bench -- soak [--minutes N] [--per-second N] [--json FILE]   an hour of 20 grants/s while processes are killed

  --only WORDS       figures whose name has these words in it: 'one instant', 'begun', 'the path'
  --backends NAMES   PostgreSQL, Redis, or both with a comma between (both)
  file               endings, path, record, start (all)`;

await runScript({ usage: USAGE, flags: 'reads them itself' }, async (terminal) => {
  const { values, positionals } = parseArgs({
    options: {
      json: { type: 'string' },
      rounds: { type: 'string' },
      only: { type: 'string' },
      backends: { type: 'string' },
      minutes: { type: 'string' },
      'per-second': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
    allowPositionals: true,
  });
  if (values.help) {
    terminal.say(USAGE);
    return 0;
  }
  const clone = thisClone(process.env);
  const stop = stopRequests();
  await buildMissing(clone, terminal, stop.signal);
  const folder = mkdtempSync(join(tmpdir(), 'curfew-bench-'));
  const file = join(folder, 'figures');
  try {
    writeFileSync(file, '');
    const isSoak = positionals.includes('soak');
    const words = ['run', '--config', 'test/bench/vitest.config.ts', ...positionals];
    if (values.only !== undefined) words.push('-t', values.only);
    const child = spawn(process.execPath, [join(clone.root, 'node_modules/vitest/vitest.mjs'), ...words], {
      cwd: clone.root,
      stdio: 'inherit',
      env: {
        ...process.env,
        CURFEW_BENCH_FILE: file,
        ...(isSoak && { CURFEW_BENCH_SOAK: '1' }),
        ...(values.rounds !== undefined && { CURFEW_BENCH_ROUNDS: values.rounds }),
        ...(values.backends !== undefined && { CURFEW_BENCH_BACKENDS: values.backends }),
        ...(values.minutes !== undefined && { CURFEW_BENCH_MINUTES: values.minutes }),
        ...(values['per-second'] !== undefined && { CURFEW_BENCH_PER_SECOND: values['per-second'] }),
      },
    });
    void stop.requested.then(() => child.kill('SIGTERM'));
    const code = await new Promise<number>((done, failed) => {
      child.once('error', failed);
      child.once('exit', (exit) => done(exit ?? 1));
    });
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    const figures = lines.map((line) => JSON.parse(line) as Figure);
    print(terminal, figures);
    const report = { machine: machine(), figures };
    if (values.json !== undefined) writeFileSync(resolve(values.json), `${JSON.stringify(report, undefined, 2)}\n`);
    return code;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** The table of docs/performance.md. */
function print(terminal: Terminal, figures: readonly Figure[]): void {
  terminal.say();
  terminal.say('| Figure | Goal | Measured | Floor | |');
  terminal.say('| --- | --- | --- | --- | --- |');
  for (const { name, goal, measured, floor = '', met } of figures)
    terminal.say(`| ${name} | ${goal} | ${measured} | ${floor} | ${met ? 'met' : 'missed'} |`);
  terminal.say();
  terminal.say(machine());
}

function machine(): string {
  const [processor] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} × ${processor?.model ?? 'unknown'}, ${memory} GiB, ${process.platform} ${release()}, Node ${process.versions.node}`;
}
