import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SCRIPTS } from './completion-scripts';
import { buildCli, type BuiltCli } from '../../../test/support/cli/built-cli';
import { aGrant, aTarget, GRANT_ID } from '../../../test/support/cli/builders';
import { Desk } from '../../../test/support/cli/desk';
import { has, needs } from '../../../test/support/needs';

let cli: BuiltCli;
let desk: Desk;
beforeAll(async () => {
  cli = await buildCli();
});
afterAll(() => cli.remove());
beforeEach(async () => {
  desk = await Desk.open();
  desk.signIn();
  desk.service
    .on('GET /v1/targets', { body: { items: [aTarget()] } })
    .on('GET /v1/grants', { body: { items: [aGrant()] } });
});
afterEach(() => desk.close());

/** Puts `curfew` on a path of its own. */
function install(): string {
  const folder = join(desk.folder, 'bin');
  mkdirSync(folder, { recursive: true });
  const program = join(folder, 'curfew');
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${cli.main}' "$@"\n`);
  chmodSync(program, 0o755);
  return folder;
}

/** Runs a shell script, without holding up the service that it asks. */
async function shell(program: string, script: string): Promise<string> {
  const folder = install();
  const child = spawn(program, ['-c', script], {
    env: { ...desk.variables, PATH: `${folder}:${process.env['PATH']}` },
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  for await (const chunk of child.stdout) out += String(chunk);
  return out;
}

/** What real bash offers for a line whose last word is unfinished. */
const bash = async (words: readonly string[]): Promise<string[]> => {
  const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const out = await shell(
    'bash',
    `source <(curfew completion bash); COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _curfew; printf '%s\\n' "\${COMPREPLY[@]}"`,
  );
  return out.split('\n').filter((line) => line !== '');
};

describe('in bash', () => {
  it('completes commands, groups, options and choices', async () => {
    expect(await bash(['curfew', 'requ'])).toEqual(['request', 'requests']);
    expect(await bash(['curfew', 'targets', ''])).toEqual(['list', 'show', 'add', 'check', 'strays']);
    expect(await bash(['curfew', 'request', 'orders-db/read', '--re'])).toEqual(['--reason']);
    expect(await bash(['curfew', 'requests', '--state', 'p'])).toEqual(['pending']);
    expect(await bash(['curfew', 'completion', ''])).toEqual(['bash', 'zsh', 'fish']);
  });

  it('completes what the service knows, also for a program that is not on the path', async () => {
    expect(await bash(['curfew', 'request', 'ord'])).toEqual(['orders-db/read']);
    expect(await bash(['./curfew', 'exec', ''])).toEqual([GRANT_ID.slice(0, 8)]);
    desk.service.on('GET /v1/targets', 'hang up' as never);
    expect(await bash(['curfew', 'request', '--profile', 'nobody', ''])).toEqual([]);
  });

  it('never runs what was typed, and offers nothing that a shell would run', async () => {
    const marker = join(desk.folder, 'owned');
    await bash(['curfew', 'request', `$(touch ${marker})`, `\`touch ${marker}\``, '']);
    desk.service.on('GET /v1/targets', {
      body: {
        items: [
          aTarget({
            entitlements: [{ name: `$(touch\t${marker})`, paths: aTarget().entitlements[0]?.paths ?? [] }],
          }),
        ],
      },
    });
    expect(await bash(['curfew', 'request', ''])).toEqual([]);
    const { existsSync } = await import('node:fs');
    expect(existsSync(marker)).toBe(false);
  });

  it('can be loaded twice, through a link, and leaves other commands alone', async () => {
    const folder = install();
    symlinkSync(join(folder, 'curfew'), join(folder, 'linked'));
    const out = await shell(
      'bash',
      'set -eu; source <(./linked completion bash); source <(./linked completion bash); complete -p curfew',
    );
    expect(out.trim()).toBe('complete -F _curfew curfew');
  });
});

describe.runIf(has('zsh'))(`in zsh${needs('zsh')}`, () => {
  it('loads and completes', async () => {
    const out = await shell(
      'zsh',
      `autoload -Uz compinit; compinit -u; source <(curfew completion zsh); [[ $_comps[curfew] == _curfew ]] || exit 1
       _describe() { print -l -- "\${(@P)2}" }; words=(curfew requests --state p); CURRENT=4; _curfew
       words=(curfew request ''); CURRENT=3; _curfew; words=(curfew completion f); CURRENT=3; _curfew`,
    );
    expect(out.trim().split('\n')).toEqual(['pending:', 'orders-db/read:', 'fish:']);
  });
});

describe.runIf(has('fish'))(`in fish${needs('fish')}`, () => {
  it('loads and completes', async () => {
    const out = await shell('fish', `curfew completion fish | source; complete -C 'curfew requ'`);
    expect(out).toContain('requests');
  });

  it('offers files where nothing else fits, and there only', async () => {
    writeFileSync(join(desk.folder, 'requiem.yaml'), '');
    const offered = async (words: string): Promise<string[]> => {
      const out = await shell(
        'fish',
        `cd '${desk.folder}'; curfew completion fish | source; complete -C 'curfew ${words}'`,
      );
      return out.split('\n').map((line) => line.split('\t')[0] ?? '');
    };
    expect(await offered('requ')).toContain('requests');
    expect(await offered('requ')).not.toContain('requiem.yaml');
    expect(await offered('targets add -f requ')).toContain('requiem.yaml');
  });
});

it('prints each script as it is', async () => {
  for (const name of ['bash', 'zsh', 'fish'] as const) {
    const { code, stdout } = await desk.run(['completion', name]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: SCRIPTS[name] });
  }
});
