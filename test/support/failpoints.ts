import { existsSync, globSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

/** Every call in the sources, one per line at which it stands. @throws for one whose name is not a literal */
export function failpointsInTheSources(): string[] {
  const files = globSync('{apps,libs}/*/src/**/*.ts', { cwd: ROOT }).filter((file) => !file.endsWith('.spec.ts'));
  return files.flatMap((file) =>
    [...readFileSync(join(ROOT, file), 'utf8').matchAll(/(?<!function )\bfailpoint\(([^)]*)\)/g)].map(
      ([, word = '']) => {
        const name = /^'([a-z_]+\.[a-z_]+)'$/.exec(word)?.[1];
        if (name === undefined) throw new Error(`${file}: failpoint(${word}) has no name that can be found`);
        return name;
      },
    ),
  );
}

export type Action = 'kill' | 'stop' | `block ${number}`;

/** The folder that the processes are told of: what is in it happens at most once, to whoever comes there first. */
export class Failpoints {
  readonly folder = mkdtempSync(join(tmpdir(), 'curfew-failpoints-'));

  arm(name: string, action: Action = 'kill'): void {
    rmSync(join(this.folder, `${name}.hit`), { force: true });
    // Whole when it appears: whoever finds it takes it away at once.
    const draft = join(this.folder, `${name}.draft`);
    writeFileSync(draft, action);
    renameSync(draft, join(this.folder, name));
  }

  wasHit(name: string): boolean {
    return existsSync(join(this.folder, `${name}.hit`));
  }

  disarm(name: string): void {
    rmSync(join(this.folder, name), { force: true });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
