import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { Secret } from '@app/kernel';
import { readEnvironment } from '../../../apps/cli/src/environment';
import { runCli } from '../../../apps/cli/src/program';
import { profileFolder } from '../../../apps/cli/src/state/profile';
import { SignInFile } from '../../../apps/cli/src/state/sign-in';
import type { Input, Output } from '../../../apps/cli/src/terminal/terminal';
import { FakeService } from './fake-service';

export interface Typed {
  /** What is typed or piped in. */
  readonly input?: string;
  /** All three streams are a terminal of so many columns. */
  readonly columns?: number;
  readonly variables?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

/** Somebody at a desk: a service, a state folder of their own, and a terminal in memory. */
export class Desk {
  readonly service = new FakeService();
  readonly folder = mkdtempSync(join(tmpdir(), 'curfew-desk-'));

  static async open(): Promise<Desk> {
    const desk = new Desk();
    await desk.service.start();
    return desk;
  }

  get variables(): NodeJS.ProcessEnv {
    return { XDG_STATE_HOME: this.folder, CURFEW_URL: this.service.url, HOME: this.folder };
  }

  get profile() {
    return profileFolder(join(this.folder, 'curfew'), 'default', this.service.url);
  }

  signIn(accessToken = 'access-1', refreshToken = 'refresh-1'): void {
    new SignInFile(this.profile).write({
      accessToken: new Secret(accessToken),
      refreshToken: new Secret(refreshToken),
    });
  }

  async run(words: readonly string[], typed: Typed = {}) {
    const written = { stdout: '', stderr: '' };
    const output = (name: 'stdout' | 'stderr'): Output => {
      const stream: Output = new PassThrough();
      stream.on('data', (chunk) => (written[name] += String(chunk)));
      return Object.assign(
        stream,
        typed.columns === undefined ? {} : { isTTY: true, columns: typed.columns, rows: 24 },
      );
    };
    const stdin: Input = new PassThrough();
    if (typed.columns !== undefined) Object.assign(stdin, { isTTY: true, setRawMode: () => stdin });
    stdin.push(typed.input ?? '');
    if (typed.columns === undefined) stdin.push(null);
    const streams = { stdin, stdout: output('stdout'), stderr: output('stderr') };
    const code = await runCli(words, {
      environment: readEnvironment({ ...this.variables, ...typed.variables }),
      streams,
      signal: typed.signal ?? new AbortController().signal,
      passSignals: () => () => undefined,
    });
    return { code, ...written };
  }

  async close(): Promise<void> {
    await this.service.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
