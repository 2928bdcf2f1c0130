import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Failure } from '../failure';
import { ReservedFile } from './reserved-file';

const OTHERS = 0o077;
const MAX_BYTES = 1_048_576;

/** What is kept for one person is open to somebody else, or is not ours. */
export class NotPrivate extends Failure {
  constructor(path: string, problem: string, advice: string) {
    super({ kind: 'forbidden', code: 'cli.not_private', message: `${path} ${problem}`, advice });
  }
}

/**
 * A folder for our eyes only, and the files in it. Folders are 0700 and files 0600 from the moment they exist; a link, or
 * what others own or can read, is refused instead of followed or mended: whoever could read it may have.
 */
export class PrivateFolder {
  constructor(
    readonly path: string,
    /** The private folders above this one, made and checked first. */
    private readonly parent?: PrivateFolder,
  ) {}

  folder(name: string): PrivateFolder {
    return new PrivateFolder(join(this.path, name), this);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Makes the folder unless it is there, and checks it. */
  ensure(): void {
    if (this.parent) this.parent.ensure();
    else mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    try {
      mkdirSync(this.path, { mode: 0o700 });
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    this.#check();
  }

  /** The names in it; none when there is no folder. */
  list(): string[] {
    return this.#exists() ? readdirSync(this.path) : [];
  }

  /** How long something in it has not been changed, in milliseconds; 0 when it is not there. */
  ageMs(name: string): number {
    const facts = this.#exists() ? lstatSync(this.file(name), { throwIfNoEntry: false }) : undefined;
    // Both by the clock of this machine.
    return facts ? performance.timeOrigin + performance.now() - facts.mtimeMs : 0;
  }

  /** @returns `undefined` when there is none @throws NotPrivate */
  read(name: string): string | undefined {
    if (!this.#exists()) return undefined;
    const path = this.file(name);
    const file = openExisting(path);
    if (file === undefined) return undefined;
    try {
      assertPrivate(path, fstatSync(file), 'file');
      return readFileSync(file, 'utf8');
    } finally {
      closeSync(file);
    }
  }

  /** Whole or, whatever happens, as it was before. */
  write(name: string, text: string): void {
    if (Buffer.byteLength(text) > MAX_BYTES) throw new RangeError('too much for one private file');
    this.reserve(name, 0).write(text);
  }

  /** Takes the room for a file before there is something to write: whoever gets it, writes or releases it. */
  reserve(name: string, bytes: number): ReservedFile {
    this.ensure();
    return new ReservedFile(this.path, name, bytes);
  }

  /** An empty file that is there from now on; what is in it is kept. @returns its path */
  touch(name: string): string {
    this.ensure();
    const path = this.file(name);
    const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
    const file = opened(path, O_RDWR | O_CREAT | O_NOFOLLOW);
    try {
      assertPrivate(path, fstatSync(file), 'file');
    } finally {
      closeSync(file);
    }
    return path;
  }

  /** A file, or a folder with everything in it. Nothing there is fine. */
  remove(name: string): void {
    if (this.#exists()) rmSync(this.file(name), { recursive: true, force: true });
  }

  #exists(): boolean {
    if (this.parent && !this.parent.#exists()) return false;
    try {
      this.#check();
      return true;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
  }

  #check(): void {
    assertPrivate(this.path, lstatSync(this.path), 'folder');
  }
}

function openExisting(path: string): number | undefined {
  try {
    // A pipe put in its place must not block us.
    return opened(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function opened(path: string, flags: number): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    if (codeOf(error) === 'ELOOP') throw new NotPrivate(path, 'is a link', 'Remove it, and sign in again.');
    throw error;
  }
}

interface Facts {
  readonly uid: number;
  readonly mode: number;
  isDirectory(): boolean;
  isFile(): boolean;
}

function assertPrivate(path: string, facts: Facts, kind: 'file' | 'folder'): void {
  const isRight = kind === 'file' ? facts.isFile() : facts.isDirectory();
  if (!isRight) throw new NotPrivate(path, `is not a ${kind}`, 'Remove it, and sign in again.');
  if (facts.uid !== process.getuid?.())
    throw new NotPrivate(path, 'belongs to somebody else', 'Remove it, or set XDG_STATE_HOME to a folder of yours.');
  if ((facts.mode & OTHERS) === 0) return;
  const mode = kind === 'file' ? '600' : '700';
  throw new NotPrivate(
    path,
    'can be entered or read by others',
    `If nobody else can have read it: chmod ${mode} '${path}'. Otherwise remove it, and sign in again.`,
  );
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;
