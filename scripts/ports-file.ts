import { paths, type Clone } from './clone.ts';
import { readJson, writeJson } from './private-file.ts';

/** The ports of last time, so that addresses stay what they were. */
export interface Ports {
  readonly api?: number;
  readonly database?: number;
}

export function readPorts(clone: Clone): Ports {
  return (readJson(paths.ports(clone)) as Ports | undefined) ?? {};
}

export function rememberPorts(clone: Clone, ports: Ports): void {
  const known = readPorts(clone);
  const wanted = { ...known, ...ports };
  if (wanted.api !== known.api || wanted.database !== known.database) writeJson(paths.ports(clone), wanted);
}
