import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from './failure';
import type { PolicyProblem } from './service/shapes';

interface Source {
  readonly file: string;
  readonly text: string;
}

export interface PolicyFiles {
  readonly policies: readonly Source[];
  readonly groups: Source;
}

const GROUPS = 'groups.yaml';
const PASSED_OVER = /^\.|\.md$/;
const MAX_BYTES = 65_536;

/** Reads a folder as the service does: `*.cedar` and `groups.yaml`, and nothing else may be in it. */
export function readPolicyFolder(folder: string): { files: PolicyFiles } | { problems: PolicyProblem[] } {
  const names = entriesOf(folder);
  const problems: PolicyProblem[] = names
    .filter((name) => name !== GROUPS && !name.endsWith('.cedar'))
    .map((file) => ({ file, line: 1, message: `only *.cedar and ${GROUPS} are read: rename or move this` }));
  if (!names.includes(GROUPS)) problems.push({ file: GROUPS, line: 1, message: 'this file is missing' });
  const sources = problems.length > 0 ? [] : names.map((name) => sourceOf(folder, name));
  for (const source of sources) if ('message' in source) problems.push(source);
  if (problems.length > 0) return { problems };
  const files = sources.filter((source): source is Source => 'text' in source);
  const groups = files.find(({ file }) => file === GROUPS) ?? { file: GROUPS, text: '' };
  return { files: { policies: files.filter((source) => source !== groups), groups } };
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => !PASSED_OVER.test(name));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new UsageError(
      `${folder} is not a folder that can be read${code === undefined ? '' : ` (${code})`}`,
      'Name the folder: `curfew policy check <folder>`.',
    );
  }
}

function sourceOf(folder: string, file: string): Source | PolicyProblem {
  const path = join(folder, file);
  if (statSync(path).size > MAX_BYTES) return { file, line: 1, message: `this file is larger than ${MAX_BYTES} bytes` };
  try {
    return { file, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(path)) };
  } catch {
    return { file, line: 1, message: 'this file cannot be read as UTF-8' };
  }
}
