import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Secret } from '@app/kernel';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Desk } from '../../../../test/support/cli/desk';
import { FakeService } from '../../../../test/support/cli/fake-service';
import { LastService, profileFolder } from '../state/profile';
import { SignInFile } from '../state/sign-in';
import { findService } from './address';
import { readEnvironment } from '../environment';

/** A clone that runs: it holds its lock, and says where its API is. */
class RunningClone {
  readonly #lock: DatabaseSync;

  constructor(readonly home: string) {
    mkdirSync(home, { recursive: true });
    this.#lock = new DatabaseSync(join(home, 'lock'));
    this.#lock.exec('BEGIN EXCLUSIVE');
  }

  is(url: string, installation = 'first', state = 'ready'): void {
    writeFileSync(join(this.home, 'run.json'), JSON.stringify({ url, installation, processes: { api: { state } } }));
  }

  die(): void {
    if (this.#lock.isOpen) this.#lock.close();
  }
}

const ME = { name: 'Ada', groups: [], email: null, signIn: { signedInAt: '2026-11-21T10:00:00.000Z' } };
const REQUEST = 'GET /v1/me';

let desk: Desk;
let moved: FakeService;
let clone: RunningClone;
beforeEach(async () => {
  desk = await Desk.open();
  moved = await new FakeService().start();
  clone = new RunningClone(join(desk.folder, 'a clone'));
  for (const service of [desk.service, moved]) service.on(REQUEST, { body: ME });
});
afterEach(async () => {
  clone.die();
  await moved.stop();
  await desk.close();
});

const variables = (home: string): NodeJS.ProcessEnv => ({ CURFEW_URL: '', CURFEW_HOME: home });
const whoami = (home = clone.home) => desk.run(['whoami', '--json'], { variables: variables(home) });
const signIn = (): void => {
  const environment = readEnvironment({ ...desk.variables, ...variables(clone.home) });
  const state = join(desk.folder, 'curfew');
  const { service } = findService(undefined, environment, new LastService(state, 'default'));
  const tokens = { accessToken: new Secret('access-1'), refreshToken: new Secret('refresh-1') };
  new SignInFile(profileFolder(state, 'default', service)).write(tokens);
};

it('stays signed in at the service of a clone whose port is another one', async () => {
  clone.is(desk.service.url);
  signIn();
  clone.is(moved.url);
  expect((await whoami()).code).toBe(0);
  expect(moved.of(REQUEST)[0]?.headers.authorization).toBe('Bearer access-1');
  expect(desk.service.asked).toEqual([]);
});

it.each([
  ['another clone', (url: string) => new RunningClone(join(desk.folder, 'another clone')).is(url)],
  ['another installation in the same place', (url: string) => clone.is(url, 'second')],
])('shows no token to %s, whatever its port', async (name, run) => {
  clone.is(desk.service.url);
  signIn();
  run(desk.service.url);
  const home = name === 'another clone' ? join(desk.folder, 'another clone') : clone.home;
  expect((await whoami(home)).code).toBe(3);
  expect(desk.service.asked).toEqual([]);
});

it('asks nobody at the port of a clone that does not run any more', async () => {
  clone.is(desk.service.url);
  signIn();
  clone.die();
  const { code, stderr } = await whoami();
  expect({ code, says: stderr.includes('does not run in this folder') }).toEqual({ code: 7, says: true });
  expect(desk.service.asked).toEqual([]);
});

it('asks nobody at the port of an API that is being started again, and goes on where it is then', async () => {
  clone.is(desk.service.url);
  signIn();
  clone.is(desk.service.url, 'first', 'waiting');
  const asking = whoami();
  setTimeout(() => clone.is(moved.url), 100);
  expect((await asking).code).toBe(0);
  expect([desk.service.asked.length, moved.of(REQUEST).length]).toEqual([0, 1]);
});

it('keeps what an explicit address gave for that address', async () => {
  desk.signIn('access-2');
  clone.is(desk.service.url);
  signIn();
  const run = (home: NodeJS.ProcessEnv) => desk.run(['whoami', '--json'], { variables: home });
  await run({ CURFEW_HOME: clone.home });
  await run(variables(clone.home));
  const shown = desk.service.of(REQUEST).map(({ headers }) => headers.authorization);
  expect(shown).toEqual(['Bearer access-2', 'Bearer access-1']);
});
