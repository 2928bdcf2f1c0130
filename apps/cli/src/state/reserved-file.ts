import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** A private file before it is there: its room is taken, and nobody finds it under its name yet. */
export class ReservedFile {
  readonly #partial: string;
  #file: number | undefined;

  /** @param folder one that is there and is private @param bytes how much room is taken, for what is not known yet */
  constructor(
    private readonly folder: string,
    private readonly name: string,
    bytes: number,
  ) {
    this.#partial = join(folder, `.${name}.${randomBytes(6).toString('hex')}`);
    this.#orRelease(() => {
      const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
      this.#file = openSync(this.#partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      // No zeros: a file system may take no room for them.
      if (bytes > 0) fill(this.#file, randomBytes(bytes));
    });
  }

  /** Puts it in its place with this in it: whole or, whatever happens, what was there before. Done once. */
  write(text: string): void {
    this.#orRelease(() => {
      if (this.#file === undefined) throw new RangeError('a reserved file is written once');
      fill(this.#file, Buffer.from(text));
      this.#close();
      renameSync(this.#partial, join(this.folder, this.name));
    });
  }

  /** Gives the room back; and the folder, when there is nothing else in it. */
  release(): void {
    this.#close();
    rmSync(this.#partial, { force: true });
    try {
      rmdirSync(this.folder);
    } catch {
      // Something else is in it, or it is gone.
    }
  }

  #orRelease(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.release();
      throw error;
    }
  }

  #close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/** From its beginning to its end, and onto the disk: where room is short a write may do a part, and say nothing. */
function fill(file: number, content: Buffer): void {
  for (let at = 0; at < content.length;) at += writeSync(file, content, at, content.length - at, at);
  ftruncateSync(file, content.length);
  fsyncSync(file);
}
