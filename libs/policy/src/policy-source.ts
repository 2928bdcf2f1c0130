import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PoliciesUnreadable, PolicyInvalid, type PolicyProblem } from './policy.errors';

/** A file's name, without its folder, and what is in it. */
export interface PolicySource {
  readonly file: string;
  readonly text: string;
}

export interface PolicyFiles {
  readonly policies: readonly PolicySource[];
  readonly groups: PolicySource;
}

export const GROUPS_FILE = 'groups.yaml';
/** Far above what people write by hand; a bound on what one reload can cost. */
export const MAX_FILE_BYTES = 1_048_576;

const IGNORED = /^\.|\.md$/;

/**
 * Reads `*.cedar` and `groups.yaml` of one folder. Hidden entries and `*.md` are passed over; anything else is refused,
 * since a `forbid` in a file with a misspelt name would silently forbid nothing.
 *
 * @throws PoliciesUnreadable when the folder or a file cannot be read
 * @throws PolicyInvalid when it holds something that would not be read, or no `groups.yaml`
 */
export async function readPolicyFiles(folder: string): Promise<PolicyFiles> {
  try {
    const names = (await readdir(folder)).filter((name) => !IGNORED.test(name)).toSorted(byCodeUnits);
    const strange = names.filter((name) => name !== GROUPS_FILE && !name.endsWith('.cedar')).map(notRead);
    if (!names.includes(GROUPS_FILE)) strange.push({ file: GROUPS_FILE, line: 1, message: 'this file is missing' });
    if (strange.length > 0) throw new PolicyInvalid(strange);
    const sources = await Promise.all(names.map((name) => readSource(folder, name)));
    const isGroups = ({ file }: PolicySource) => file === GROUPS_FILE;
    const groups = sources.find(isGroups) ?? { file: GROUPS_FILE, text: '' };
    return { policies: sources.filter((source) => !isGroups(source)), groups };
  } catch (cause) {
    throw cause instanceof PolicyInvalid ? cause : new PoliciesUnreadable(folder, cause);
  }
}

/** Names sort the same on every machine, whatever its language. */
export function byCodeUnits(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

async function readSource(folder: string, file: string): Promise<PolicySource> {
  const path = join(folder, file);
  const { size } = await stat(path);
  if (size > MAX_FILE_BYTES) throw new PolicyInvalid([{ file, line: 1, message: 'this file is larger than 1 MiB' }]);
  const bytes = await readFile(path);
  try {
    return { file, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    throw new PolicyInvalid([{ file, line: 1, message: 'this file is not UTF-8' }]);
  }
}

function notRead(file: string): PolicyProblem {
  return { file, line: 1, message: `only *.cedar and ${GROUPS_FILE} are read: rename or move this` };
}
