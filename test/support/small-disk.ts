import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PIECES = [1_048_576, 4_096] as const;

/** A disk of its own that can be filled without harm to anything else. Only who may mount has one. */
export class SmallDisk {
  readonly folder: string;
  readonly #guardian: ChildProcess;

  private constructor(folder: string) {
    this.folder = folder;
    // Whatever becomes of us, nothing stays mounted.
    this.#guardian = spawn('/bin/sh', ['-c', 'cat; umount -l "$0"; rmdir "$0"', folder], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#guardian.unref();
  }

  static mount(megabytes: number): SmallDisk {
    const folder = mkdtempSync(join(tmpdir(), 'curfew-disk-'));
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder], {
      encoding: 'utf8',
    });
    if (mounted.status !== 0) throw new Error(`no small disk: ${mounted.stderr}`);
    const disk = new SmallDisk(folder);
    chmodSync(folder, 0o711);
    return disk;
  }

  /** To the last block, whatever was freed meanwhile. */
  fill(): void {
    const file = openSync(this.#filler, 'a');
    try {
      for (const size of PIECES) fillWith(file, Buffer.alloc(size));
    } finally {
      closeSync(file);
    }
  }

  makeRoom(): void {
    rmSync(this.#filler, { force: true });
  }

  /** When nobody uses it any more. */
  unmount(): void {
    this.#guardian.stdin?.end();
  }

  get #filler(): string {
    return join(this.folder, 'filler');
  }
}

function fillWith(file: number, piece: Buffer): void {
  try {
    for (;;) writeSync(file, piece);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
