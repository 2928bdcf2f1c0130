import { chmodSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** This clone: where its code is, and where it keeps everything it makes. */
export interface Clone {
  readonly root: string;
  /** `.curfew` in the root, or `CURFEW_HOME`. */
  readonly home: string;
}

export const APPS = ['api', 'worker', 'timekeeper'] as const;
export type AppName = (typeof APPS)[number];

export function thisClone(environment: NodeJS.ProcessEnv): Clone {
  const root = resolve(import.meta.dirname, '..');
  const asked = environment['CURFEW_HOME'];
  return { root, home: asked ? resolve(calledFrom(environment), asked) : join(root, '.curfew') };
}

/** Where the person is: npm changes to the root, and says where it was called from. */
export function calledFrom(environment: NodeJS.ProcessEnv): string {
  return environment['INIT_CWD'] ?? process.cwd();
}

export function makeHome({ home }: Clone): void {
  mkdirSync(join(home, 'logs'), { recursive: true, mode: 0o700 });
  // Root's database server is another account: it passes through here to its own folder. The files are all private.
  chmodSync(home, process.getuid?.() === 0 ? 0o711 : 0o700);
}

export const paths = {
  lock: ({ home }: Clone) => join(home, 'lock'),
  run: ({ home }: Clone) => join(home, 'run.json'),
  ports: ({ home }: Clone) => join(home, 'ports.json'),
  database: ({ home }: Clone) => join(home, 'database.json'),
  demo: ({ home }: Clone) => join(home, 'demo.json'),
  postgres: ({ home }: Clone) => join(home, 'postgres'),
  sealingKey: ({ home }: Clone) => join(home, 'keys', 'sealing.key'),
  proofKey: ({ home }: Clone) => join(home, 'keys', 'proof.key'),
  sealedElsewhere: ({ home }: Clone) => join(home, 'keys', 'sealed-elsewhere.json'),
  log: ({ home }: Clone, name: string) => join(home, 'logs', `${name}.log`),
  app: ({ root }: Clone, name: string) => join(root, 'dist', 'apps', name, 'main.js'),
} as const;
