import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { aGrant, GRANT_ID, inSeconds } from '../../../../test/support/cli/builders';
import { Desk } from '../../../../test/support/cli/desk';
import { profileFolder } from '../state/profile';
import { SignInFile } from '../state/sign-in';

const PICK_UP = 'POST /v1/grants/*/credential';

let desk: Desk;
beforeEach(async () => {
  desk = await Desk.open();
  desk.signIn();
  give();
});
afterEach(() => desk.close());

/** A grant whose credential is handed over. @param meanwhile what happens here before the answer arrives */
function give(meanwhile: () => void = () => undefined): void {
  const endsAt = inSeconds(60);
  desk.service
    .on('GET /v1/grants', { body: { items: [aGrant({ endsAt })] } })
    .on('GET /v1/grants/*', { body: aGrant({ endsAt }) })
    .on(PICK_UP, () => {
      meanwhile();
      const fields = { username: 'curfew-role', password: 'hunter2' };
      return { body: { fields, environment: { PGPASSWORD: 'hunter2' }, endsAt } };
    });
}

describe('a credential that cannot be kept after all', () => {
  const credentials = (): string => join(desk.profile.path, 'credentials');
  beforeEach(() => give(() => rmSync(credentials(), { recursive: true, force: true })));

  it('is printed all the same, and that it is not kept is said', async () => {
    const { code, stdout, stderr } = await desk.run(['credential', GRANT_ID]);
    expect({ code, printed: stdout.includes('hunter2') }).toEqual({ code: 0, printed: true });
    expect(stderr).toMatch(/could not be kept here \(ENOENT/);
    expect(stderr).toContain('curfew credential 1a2b3c4d --replace');
    expect(stderr).not.toContain('hunter2');
  });

  it('is one JSON document all the same', async () => {
    const { code, stdout, stderr } = await desk.run(['credential', GRANT_ID, '--json']);
    expect({ code, document: JSON.parse(stdout) }).toMatchObject({
      code: 0,
      document: { fields: { password: 'hunter2' } },
    });
    expect(stderr).toContain('could not be kept here');
  });

  it('is used by exec, once', async () => {
    const { code, stderr } = await desk.run(['exec', GRANT_ID, '--', 'sh', '-c', 'test "$PGPASSWORD" = hunter2']);
    expect(code).toBe(0);
    expect(stderr).toContain('could not be kept here');
  });
});

it('leaves nothing behind when the service refuses', async () => {
  desk.service.on(PICK_UP, { status: 409, body: { title: 'no', status: 409, code: 'access.no' } });
  expect((await desk.run(['credential', GRANT_ID])).code).toBe(6);
  expect(readdirSync(join(desk.profile.path, 'credentials'))).toEqual([]);
});

const CAN_MOUNT = process.platform === 'linux' && process.getuid?.() === 0;
const FILL = 'full';

describe.skipIf(!CAN_MOUNT)('a file system without room (needs root on Linux: it is mounted)', () => {
  let mounted: string;
  beforeAll(() => {
    mounted = mkdtempSync(join(tmpdir(), 'curfew-no-room-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'curfew-no-room', mounted]);
  });
  afterAll(() => {
    execFileSync('umount', [mounted]);
    rmSync(mounted, { recursive: true });
  });
  beforeEach(() => {
    const profile = profileFolder(join(mounted, 'curfew'), 'default', desk.service.url);
    new SignInFile(profile).write({ accessToken: new Secret('access-1'), refreshToken: new Secret('refresh-1') });
  });
  afterEach(() => {
    for (const name of readdirSync(mounted)) rmSync(join(mounted, name), { recursive: true });
  });

  /** Takes what is free, but for so many pages. */
  function leave(pages: number): void {
    const { bfree, bsize } = statfsSync(mounted);
    writeFileSync(join(mounted, FILL), Buffer.alloc((bfree - pages) * bsize, 1));
  }

  it.each([0, 1, 2, 5])('with %i pages free nothing is asked for, and it is said why', async (pages) => {
    leave(pages);
    for (const words of [
      ['credential', GRANT_ID],
      ['exec', GRANT_ID, '--', 'true'],
    ]) {
      const { code, stdout, stderr } = await desk.run(words, { variables: { XDG_STATE_HOME: mounted } });
      expect({ code, stdout, asked: desk.service.of(PICK_UP).length }).toEqual({ code: 1, stdout: '', asked: 0 });
      expect(stderr).toContain('Nothing was done');
      expect(stderr).not.toContain('It is a fault');
    }
    rmSync(join(mounted, FILL));
    const { code, stdout } = await desk.run(['credential', GRANT_ID], { variables: { XDG_STATE_HOME: mounted } });
    expect({ code, printed: stdout.includes('hunter2') }).toEqual({ code: 0, printed: true });
  });

  it('costs nobody the sign-in: no token is renewed that could not be kept', async () => {
    desk.service.on('GET /v1/me', { status: 401, body: { title: 'no', status: 401, code: 'identity.no' } });
    leave(1);
    const { code, stderr } = await desk.run(['whoami'], { variables: { XDG_STATE_HOME: mounted } });
    expect({ code, asked: desk.service.of('POST /v1/tokens').length }).toEqual({ code: 1, asked: 0 });
    expect(stderr).toContain('nothing can be kept in');
  });

  it('that fills up meanwhile does not matter: the room is taken before anybody asks', async () => {
    give(() => leave(0));
    const { code, stdout, stderr } = await desk.run(['credential', GRANT_ID], {
      variables: { XDG_STATE_HOME: mounted },
    });
    expect({ code, printed: stdout.includes('hunter2'), stderr }).toEqual({ code: 0, printed: true, stderr: '' });
    const folder = join(mounted, 'curfew');
    const kept = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json'));
    expect(kept).toContainEqual(expect.stringContaining(`${GRANT_ID}/credential.json`));
  });
});
