import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildCli, start, type BuiltCli } from '../../../../test/support/cli/built-cli';
import { aGrant, GRANT_ID, inSeconds } from '../../../../test/support/cli/builders';
import { Desk } from '../../../../test/support/cli/desk';
import { problem, type Answer } from '../../../../test/support/cli/fake-service';
import { commandOf } from '../../../../scripts/processes';
import { childEnvironment } from './child-environment';

let cli: BuiltCli;
let desk: Desk;
beforeAll(async () => {
  cli = await buildCli();
});
afterAll(() => cli.remove());
beforeEach(async () => {
  desk = await Desk.open();
  desk.signIn();
});
afterEach(() => desk.close());

/** A grant that ends in so many seconds, and whose credential is handed over once. */
function give(seconds: number): string {
  const endsAt = inSeconds(seconds);
  let pickedUp = false;
  desk.service
    .on('GET /v1/grants', { body: { items: [aGrant({ endsAt })] } })
    .on('GET /v1/grants/*', { body: aGrant({ endsAt }) })
    .on('POST /v1/grants/*/credential', () => {
      if (pickedUp) return problem(409, 'access.credential_picked_up', 'this credential was picked up before');
      pickedUp = true;
      const environment = { PGUSER: 'curfew-role', PGPASSWORD: 'hunter2' };
      return {
        body: {
          fields: { username: 'curfew-role', password: 'hunter2' },
          environment,
          files: { PGSSLROOTCERT: 'PEM' },
          endsAt,
        },
      };
    });
  return endsAt;
}

const exec = (...command: string[]) => start(cli, ['exec', GRANT_ID.slice(0, 8), '--', ...command], desk.variables);
const kept = (): string[] => {
  try {
    return readdirSync(join(desk.profile.path, 'credentials'));
  } catch {
    return [];
  }
};

describe('exec', () => {
  it('gives the child the credential in its environment, as often as wanted, and ends with its code', async () => {
    give(60);
    const first = await exec('sh', '-c', 'echo "$PGUSER $PGPASSWORD $(cat "$PGSSLROOTCERT")"; exit 3').ended;
    expect(first).toMatchObject({ code: 3, stdout: 'curfew-role hunter2 PEM\n' });
    expect(first.stderr).not.toContain('hunter2');
    expect((await exec('true').ended).code).toBe(0);
    expect(desk.service.of('POST /v1/grants/*/credential')).toHaveLength(1);
    expect(kept()).toEqual([GRANT_ID]);
  });

  it('of two at once one picks up, and both have it', async () => {
    give(60);
    const both = await Promise.all([exec('sh', '-c', 'echo $PGUSER').ended, exec('sh', '-c', 'echo $PGUSER').ended]);
    expect(both.map(({ code, stdout }) => [code, stdout])).toEqual([
      [0, 'curfew-role\n'],
      [0, 'curfew-role\n'],
    ]);
    expect(desk.service.of('POST /v1/grants/*/credential')).toHaveLength(1);
  });

  it('tells the child to stop at the deadline, and forgets what was kept', async () => {
    give(4);
    const { code, stdout, stderr } = await exec(
      'sh',
      '-c',
      'trap "echo told; exit 0" TERM; while :; do sleep 0.1; done',
    ).ended;
    expect({ code, stdout }).toEqual({ code: 124, stdout: 'told\n' });
    expect(stderr).toContain('orders-db/read is over (expired), and the command with it');
    expect(kept()).toEqual([]);
  });

  // The deadline is judged by the whole seconds of a `Date` header, where a service says nothing better; then, and with
  // seconds that have just begun, half a second of luck is the most that a guess could go wrong by.
  it.each([
    ['the second', () => ({}), 1_500],
    ['the millisecond', () => ({ asOf: new Date().toISOString() }), 250],
  ])('never ends the child early, when it knows the service’s time to %s', async (_, more, lateMs) => {
    const endsAt = give(6);
    const aSecondBegins = async (): Promise<void> => {
      while (Date.now() % 1_000 > 50) await new Promise((resolve) => setTimeout(resolve, 1));
    };
    const grant = (): Promise<Answer> => aSecondBegins().then(() => ({ body: { ...aGrant({ endsAt }), ...more() } }));
    desk.service.on('GET /v1/grants/*', grant);
    const stay = 'process.on("SIGTERM", () => { console.log(Date.now()); process.exit() }); setInterval(() => 0, 1000)';
    const { code, stdout } = await exec(process.execPath, '-e', stay).ended;
    const late = Number(stdout) - Date.parse(endsAt);
    expect({ code, early: late < 0, late: late > lateMs }).toEqual({ code: 124, early: false, late: false });
  });

  it('makes a child stop that does not want to, five seconds later', async () => {
    give(3);
    const { code } = await exec('sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done').ended;
    expect(code).toBe(124);
  });

  describe('ends what the child has started as well', () => {
    /** What still runs of those whose numbers were written. */
    const left = (stdout: string): string[] =>
      stdout
        .split('\n')
        .filter(Boolean)
        .map((pid) => commandOf(Number(pid)));

    it('and lets it do nothing more', async () => {
      give(5);
      const { code, stdout } = await exec('sh', '-c', 'sh -c "echo \\$\\$; exec sleep 66"; echo 0').ended;
      expect({ code, left: left(stdout) }).toEqual({ code: 124, left: [''] });
    });

    it('five seconds later when it does not want to, though the child has ended', async () => {
      give(5);
      const stubborn = 'trap "" TERM; echo $$; while :; do sleep 0.1; done';
      const { code, stdout } = await exec('sh', '-c', `sh -c '${stubborn}' & wait`).ended;
      expect({ code, left: left(stdout) }).toEqual({ code: 124, left: [''] });
    });

    it('when it is stopped, too', async () => {
      give(5);
      const { code, stdout } = await exec('sh', '-c', `sh -c 'echo $$; kill -STOP $$' & wait`).ended;
      expect({ code, left: left(stdout) }).toEqual({ code: 124, left: [''] });
    });
  });

  it('ends the child when the grant ends early', async () => {
    give(600);
    const running = exec('sh', '-c', 'echo up; exec sleep 60');
    await running.wrote('up');
    desk.service.on('GET /v1/grants/*', { body: aGrant({ state: 'ending', endReason: 'revoked' }) });
    const revokedAt = performance.now();
    const { code, stderr } = await running.ended;
    expect(performance.now() - revokedAt).toBeLessThan(4_000);
    expect(code).toBe(124);
    expect(stderr).toContain('(revoked)');
    expect(kept()).toEqual([]);
  });

  describe('when what the command held was cut before anybody looked', () => {
    const RUN = ['exec', GRANT_ID, '--', 'sh', '-c'];
    beforeEach(() => {
      give(600);
      let looks = 0;
      desk.service.on('GET /v1/grants/*', () => {
        looks += 1;
        // Ended while the command runs: it is over for whoever looks after its pick-up.
        const isOver = looks > 2;
        return { body: aGrant({ endsAt: inSeconds(600), ...(isOver && { state: 'ending', endReason: 'revoked' }) }) };
      });
    });

    it('says so, and ends with 124 as it does otherwise', async () => {
      const { code, stderr } = await desk.run([...RUN, 'exit 2']);
      expect(code).toBe(124);
      expect(stderr).toContain('orders-db/read is over (revoked), and the command with it');
      expect(kept()).toEqual([]);
    });

    it('leaves a command alone that ended well', async () => {
      expect(await desk.run([...RUN, 'exit 0'])).toMatchObject({ code: 0, stderr: '' });
    });

    it('takes a service that does not answer for no reason', async () => {
      let looks = 0;
      const body = aGrant({ endsAt: inSeconds(600) });
      desk.service.on('GET /v1/grants/*', () => ((looks += 1) > 2 ? 'hang up' : { body }));
      expect(await desk.run([...RUN, 'exit 2'])).toMatchObject({ code: 2, stderr: '' });
    });
  });

  it('ends with its child, also while the service keeps it waiting', async () => {
    give(600);
    const running = exec('sh', '-c', 'echo up; exec sleep 4');
    await running.wrote('up');
    const looked = Promise.withResolvers<undefined>();
    desk.service.on('GET /v1/grants/*', () => (looked.resolve(undefined), new Promise(() => undefined)));
    await looked.promise;
    const startedAt = performance.now();
    expect((await running.ended).code).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  it('keeps to the deadline while the service is away, and begins again with what is kept', async () => {
    give(8);
    const running = exec('sh', '-c', 'echo up; exec sleep 60');
    await running.wrote('up');
    await desk.service.stop();
    const again = await exec('sh', '-c', 'echo $PGUSER').ended;
    expect(again).toMatchObject({ code: 0, stdout: 'curfew-role\n' });
    expect(again.stderr).toContain('does not answer');
    expect((await running.ended).code).toBe(124);
    expect((await exec('true').ended).code).not.toBe(0);
  });

  it('judges the deadline by the clock of the service, not by that of this machine', async () => {
    desk.service.aheadMs = -3_600_000;
    give(-3_600 + 3);
    const startedAt = performance.now();
    const { code } = await exec('sleep', '60').ended;
    expect(code).toBe(124);
    expect(performance.now() - startedAt).toBeLessThan(15_000);
  });

  it('passes signals on, and ends with what the child made of them', async () => {
    give(60);
    const running = exec('sh', '-c', 'trap "exit 42" INT TERM HUP; echo up; while :; do sleep 0.1; done');
    await running.wrote('up');
    running.child.kill('SIGINT');
    expect((await running.ended).code).toBe(42);
    const killed = exec('sh', '-c', 'echo up; exec sleep 60');
    await killed.wrote('up');
    killed.child.kill('SIGTERM');
    expect((await killed.ended).code).toBe(128 + 15);
  });

  it('says what cannot be run', async () => {
    give(60);
    expect((await exec('curfew-no-such-command').ended).code).toBe(127);
    const file = join(desk.folder, 'plain');
    writeFileSync(file, '');
    expect((await exec(file).ended).code).toBe(126);
  });

  it('forgets everything at logout', async () => {
    give(60);
    desk.service.on('DELETE /v1/sign-ins/current', { status: 204 });
    await exec('true').ended;
    expect((await start(cli, ['logout'], desk.variables).ended).code).toBe(0);
    expect([kept(), readdirSync(desk.profile.path).filter((name) => name.endsWith('.json'))]).toEqual([[], []]);
  });

  it('does not use a credential that was replaced elsewhere', async () => {
    give(60);
    await exec('true').ended;
    const credential = { version: 2, state: 'picked_up', pickedUpAt: inSeconds(-1), pickedUpFrom: '10.0.0.1' };
    desk.service.on('GET /v1/grants/*', { body: aGrant({ credential }) });
    expect((await exec('true').ended).code).toBe(6);
    expect(kept()).toEqual([]);
  });
});

describe('the environment of the child', () => {
  it('has nothing of the same client that contradicts the credential', () => {
    const inherited = { PATH: '/bin', PGHOSTADDR: '10.0.0.9', PGSERVICE: 'other', PGTZ: 'UTC', AWS_PROFILE: 'mine' };
    expect(childEnvironment(inherited, { PGHOST: 'db', PGUSER: 'u' })).toEqual({
      PATH: '/bin',
      PGTZ: 'UTC',
      AWS_PROFILE: 'mine',
      PGHOST: 'db',
      PGUSER: 'u',
    });
  });

  it.each(['LD_PRELOAD', 'PATH', 'NODE_OPTIONS', 'BASH_ENV', 'lower', 'PYTHONPATH', 'GIT_SSH_COMMAND', 'X=Y'])(
    'refuses a service that wants to set %s',
    (name) => {
      expect(() => childEnvironment({}, { [name]: 'x' })).toThrow('no credential needs');
    },
  );
});

describe('what is kept', () => {
  it('is in a place that only its owner can enter', async () => {
    give(60);
    await exec('true').ended;
    const { statSync } = await import('node:fs');
    const paths = ['', 'credentials', `credentials/${GRANT_ID}`].map((name) => join(desk.profile.path, name));
    expect(paths.map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o700, 0o700]);
    const files = readdirSync(paths[2] ?? '').map((name) => statSync(join(paths[2] ?? '', name)).mode & 0o777);
    expect(files).toEqual([0o600, 0o600]);
  });

  it('is refused where others can read it, and where a link leads elsewhere', async () => {
    give(60);
    await exec('true').ended;
    const { chmodSync, symlinkSync } = await import('node:fs');
    const file = join(desk.profile.path, 'credentials', GRANT_ID, 'credential.json');
    chmodSync(file, 0o644);
    expect(await exec('true').ended).toMatchObject({ code: 4 });
    rmSync(file);
    symlinkSync('/etc/passwd', file);
    expect((await exec('true').ended).stderr).toContain('is a link');
    chmodSync(desk.profile.path, 0o750);
    expect((await exec('true').ended).stderr).toContain('chmod 700');
    rmSync(desk.profile.path, { recursive: true });
    mkdirSync(join(desk.folder, 'elsewhere'));
    symlinkSync(join(desk.folder, 'elsewhere'), desk.profile.path);
    expect((await exec('true').ended).code).toBe(4);
  });
});
