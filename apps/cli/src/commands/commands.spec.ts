import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aGrant, aRequest, aTarget, GRANT_ID, inSeconds, REQUEST_ID } from '../../../../test/support/cli/builders';
import { Desk } from '../../../../test/support/cli/desk';
import { problem } from '../../../../test/support/cli/fake-service';
import { EXIT_MEANINGS } from '../exit-codes';

const ESCAPE = '\u001b';

let desk: Desk;
beforeEach(async () => {
  desk = await Desk.open();
  desk.signIn();
});
afterEach(() => desk.close());

describe('request', () => {
  const words = ['request', 'orders-db/read', '--for', '30m', '--reason', 'INC-4711'];

  it('asks, waits for the decision and the beginning, and says what to do next', async () => {
    const grants = [{ id: GRANT_ID, state: 'scheduled', entitlement: 'orders-db/read' }];
    desk.service
      .on('POST /v1/requests', { status: 201, body: aRequest() })
      .on('GET /v1/requests/*', {
        body: aRequest({
          state: 'approved',
          grants,
          decisions: [{ by: { id: 'b', name: 'Ben' }, verdict: 'approve', at: inSeconds(0), policies: [] }],
        }),
      })
      .on('GET /v1/grants/*', { body: aGrant() });
    const { code, stdout } = await desk.run(words);
    expect(code).toBe(0);
    expect(stdout).toContain('You have orders-db/read until');
    expect(stdout).toContain('approved by Ben');
    expect(stdout).toContain(`curfew exec ${GRANT_ID.slice(0, 8)} -- <command>`);
    const [asked] = desk.service.of('POST /v1/requests');
    expect(asked?.body).toEqual({ entitlements: ['orders-db/read'], durationSeconds: 1_800, reason: 'INC-4711' });
    expect(asked?.headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each(['denied', 'withdrawn', 'lapsed'] as const)('ends with 8 when it was %s', async (state) => {
    desk.service
      .on('POST /v1/requests', { status: 201, body: aRequest() })
      .on('GET /v1/requests/*', { body: aRequest({ state }) });
    const { code, stdout } = await desk.run(words);
    expect({ code, says: stdout.includes(`was ${state}`) }).toEqual({ code: 8, says: true });
  });

  it('ends with 8 when the grant did not begin, and says why', async () => {
    const grants = [{ id: GRANT_ID, state: 'scheduled', entitlement: 'orders-db/read' }];
    desk.service
      .on('POST /v1/requests', { status: 201, body: aRequest({ state: 'approved', grants }) })
      .on('GET /v1/grants/*', {
        body: aGrant({ state: 'ended', endReason: 'failed', failure: 'postgres.unavailable' }),
      });
    const { code, stdout } = await desk.run(words);
    expect(code).toBe(8);
    expect(stdout).toContain('did not begin: postgres.unavailable');
  });

  it('stays pending when Ctrl-C ends the waiting, and says how to take it back', async () => {
    const interruption = new AbortController();
    desk.service.on('POST /v1/requests', { status: 201, body: aRequest() }).on('GET /v1/requests/*', () => {
      setImmediate(() => interruption.abort());
      return { body: aRequest() };
    });
    const { code, stdout, stderr } = await desk.run(words, { signal: interruption.signal });
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(stderr).toContain(`curfew withdraw ${REQUEST_ID.slice(0, 8)}`);
    expect(desk.service.of('POST /v1/requests/*/withdrawal')).toEqual([]);
  });

  it('is printed with --json when Ctrl-C ends the waiting, as it was seen last, with what to do next on stderr', async () => {
    const interruption = new AbortController();
    const seen = aRequest({
      decisions: [{ by: { id: 'b', name: 'Ben' }, verdict: 'approve', at: inSeconds(0), policies: [] }],
    });
    let looks = 0;
    desk.service.on('POST /v1/requests', { status: 201, body: aRequest() }).on('GET /v1/requests/*', () => {
      looks += 1;
      if (looks > 1) interruption.abort(); // the first answer has been read by then
      return { body: looks > 1 ? aRequest() : seen };
    });
    const { code, stdout, stderr } = await desk.run([...words, '--json'], { signal: interruption.signal });
    expect({ code, request: JSON.parse(stdout) as unknown }).toEqual({ code: 130, request: seen });
    expect(stderr).toContain(`curfew withdraw ${REQUEST_ID.slice(0, 8)}`);
    expect(stderr).toContain(`curfew show ${REQUEST_ID.slice(0, 8)}`);
  });

  it.each([[[]], [['--json']]])('says so too when it was approved, and the access is being made (%j)', async (more) => {
    const interruption = new AbortController();
    const grants = [{ id: GRANT_ID, state: 'scheduled', entitlement: 'orders-db/read' }];
    const approved = aRequest({ state: 'approved', grants });
    desk.service
      .on('POST /v1/requests', { status: 201, body: aRequest() })
      .on('GET /v1/requests/*', { body: approved })
      .on('GET /v1/grants/*', () => {
        setImmediate(() => interruption.abort());
        return { body: aGrant({ state: 'activating' }) };
      });
    const { code, stdout, stderr } = await desk.run([...words, ...more], { signal: interruption.signal });
    expect(code).toBe(130);
    expect(stdout === '' ? '' : (JSON.parse(stdout) as unknown)).toEqual(more.length > 0 ? approved : '');
    expect(stderr).toContain(`curfew done ${GRANT_ID.slice(0, 8)}`);
  });

  it('says where to look when Ctrl-C came before the answer to the question', async () => {
    const interruption = new AbortController();
    desk.service.on('POST /v1/requests', () => {
      interruption.abort();
      return 'hang up';
    });
    const { code, stdout, stderr } = await desk.run([...words, '--json'], { signal: interruption.signal });
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(stderr).toContain('curfew requests --mine');
    expect(stderr).not.toContain(' at ');
  });

  it('goes on waiting while the service is away', async () => {
    let looks = 0;
    desk.service.on('POST /v1/requests', { status: 201, body: aRequest() }).on('GET /v1/requests/*', () => {
      looks += 1;
      return looks < 5 ? 'hang up' : { body: aRequest({ state: 'denied' }) };
    });
    expect((await desk.run(words)).code).toBe(8);
  });

  it('repeats a write whose answer was lost, under the same key', async () => {
    let tries = 0;
    desk.service.on('POST /v1/requests', () => {
      tries += 1;
      return tries === 1 ? 'hang up' : { status: 201, body: aRequest() };
    });
    const { code } = await desk.run([...words, '--no-wait']);
    const keys = desk.service.of('POST /v1/requests').map(({ headers }) => headers['idempotency-key']);
    expect({ code, tries: keys.length, distinct: new Set(keys).size }).toEqual({ code: 0, tries: 2, distinct: 1 });
  });

  it.each([
    [['request', 'orders-db', '--for', '30m', '--reason', 'x'], 'not an entitlement'],
    [['request', 'orders-db/read', '--for', '1h30m', '--reason', 'x'], 'not a duration'],
    [['request', 'orders-db/read', '--for', '30m', '--reason', '  '], 'the reason is empty'],
    [['request', 'orders-db/read', '--for', '30m', '--reason', 'a\u001b[31m'], 'control characters'],
    [['request', 'orders-db/read', '--for', '30m'], '--reason'],
    [['aprove'], 'Did you mean approve? See `curfew --help`.'],
    [['requests', '--stat', 'pending'], 'Did you mean --state? See `curfew requests --help`.'],
    [['requests', '--jsno'], 'Did you mean --json?'],
    [['targets', 'lsit'], 'Did you mean list? See `curfew targets --help`.'],
    [['grants', '--limit', '0'], 'not a limit'],
    [['done', 'abc'], 'not an id'],
    [['targets', 'show', '../me'], 'not the name of a target'],
    [['whoami', '--profile', '../x'], 'not a name for a profile'],
    [['whoami', '--url', 'http://curfew.example.com'], 'shows your tokens'],
  ])('refuses %j with 2, before anybody is asked', async (typed, says) => {
    const { code, stdout, stderr } = await desk.run(typed);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(says);
    expect(desk.service.asked).toEqual([]);
  });
});

it.each([[['bogus']], [['targets', 'bogus']], [['requests', '--bogus']], [['requests', '-q']]])(
  'suggests nothing for %j: nothing is near',
  async (typed) => {
    const { code, stderr } = await desk.run(typed);
    expect(code).toBe(2);
    expect(stderr).toContain('unknown');
    expect(stderr).not.toContain('Did you mean');
  },
);

describe('what goes wrong', () => {
  it.each([
    [401, 3],
    [403, 4],
    [404, 5],
    [409, 6],
    [429, 7],
    [500, 1],
    [503, 7],
    [400, 2],
  ])('answers %i with exit code %i', async (status, expected) => {
    desk.service
      .on('GET /v1/me', problem(status, 'some.code', 'it is so'))
      .on('POST /v1/tokens', problem(401, 'x.y', 'no'));
    expect((await desk.run(['whoami'])).code).toBe(expected);
  });

  it('is told with what to do and the id in the log, and as JSON on stderr with --json', async () => {
    const refused = problem(403, 'access.request_refused', 'the policies do not allow this', {
      detail: 'Sign in again.',
      details: { rule: ['orders-read'], pickedUpAt: '2026-11-21T10:00:00.000Z' },
    });
    desk.service.on('GET /v1/me', refused);
    const words = await desk.run(['whoami']);
    expect(words.stdout).toBe('');
    for (const part of [
      'the policies do not allow this',
      'Sign in again.',
      'orders-read',
      'picked up at',
      'id in the log the-request-id',
    ])
      expect(words.stderr).toContain(part);
    // A request is what somebody asks for; this is one call.
    expect(words.stderr).not.toMatch(/request id\b/i);
    const { stdout, stderr } = await desk.run(['whoami', '--json']);
    expect(stdout).toBe('');
    expect(JSON.parse(stderr)).toMatchObject({
      status: 403,
      code: 'access.request_refused',
      requestId: 'the-request-id',
    });
  });

  it('never sends what a terminal would obey', async () => {
    const evil = `Ada${ESCAPE}]0;owned\u0007\u009b31m\u202e`;
    desk.service
      .on('GET /v1/requests', { body: { items: [aRequest({ reason: evil, requester: { id: 'a', name: evil } })] } })
      .on('GET /v1/me', problem(403, 'a.b', evil, { detail: evil, details: { [evil]: evil } }))
      .on('GET /v1/requests/*', { body: aRequest({ reason: evil }) });
    const runs = [['requests'], ['requests', '--json'], ['show', REQUEST_ID], ['whoami'], ['whoami', '--json']];
    for (const words of runs) {
      const { stdout, stderr } = await desk.run(words);
      expect(stdout + stderr).toMatch(/Ada|INC/);
      expect((stdout + stderr).replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }
  });

  it('does not follow a redirect, and does not take anything else for Curfew', async () => {
    desk.service.on('GET /v1/me', { status: 200, body: '<html>', type: 'text/html' });
    expect((await desk.run(['whoami'])).code).toBe(7);
    desk.service.on('GET /v1/me', { status: 302, body: {} });
    const { code, stderr } = await desk.run(['whoami']);
    expect(code).toBe(7);
    expect(stderr).toContain('is not Curfew');
  });
});

describe('policy reload', () => {
  it('says what is wrong in which file and line', async () => {
    const problems = [{ file: 'zz.cedar', line: 3, message: 'a permit without @approval' }];
    desk.service.on('POST /v1/policies/reload', {
      status: 400,
      body: {
        title: 'the policy files are not valid',
        status: 400,
        code: 'policy.invalid',
        requestId: 'r',
        details: { problems },
      },
    });
    const { code, stderr } = await desk.run(['policy', 'reload']);
    expect(code).toBe(2);
    expect(stderr).toContain('zz.cedar:3: a permit without @approval');
  });
});

describe('approve', () => {
  beforeEach(() => {
    desk.service
      .on('GET /v1/requests', { body: { items: [aRequest()] } })
      .on('GET /v1/requests/*', {
        body: aRequest({
          endings: { 'orders-db': { enforcedBy: 'curfew', endsLiveSessions: false, outlivesBySeconds: 90 } },
        }),
      })
      .on('POST /v1/requests/*/decisions', { status: 201, body: aRequest({ state: 'approved' }) });
  });

  it('shows exactly what will happen, asks, and sends the hash of what was shown', async () => {
    const { code, stderr } = await desk.run(['approve', REQUEST_ID.slice(0, 4)], { columns: 100, input: 'y\n' });
    expect(code).toBe(0);
    for (const part of [
      'Ada',
      'orders-db/read',
      '30m',
      'INC-4711',
      'Ends only while Curfew runs',
      'not cut',
      'outlive the end by 1m 30s',
    ])
      expect(stderr).toContain(part);
    expect(desk.service.of('POST /v1/requests/*/decisions')[0]?.body).toEqual({
      verdict: 'approve',
      scopeHash: 'ab'.repeat(32),
    });
  });

  it('decides nothing when Ctrl-C comes in place of an answer, and says so', async () => {
    const interruption = new AbortController();
    setTimeout(() => interruption.abort(), 500);
    const { code, stderr } = await desk.run(['approve', REQUEST_ID], { columns: 100, signal: interruption.signal });
    expect({ code, sent: desk.service.of('POST /v1/requests/*/decisions') }).toEqual({ code: 130, sent: [] });
    expect(stderr).toContain('Nothing was decided.');
  });

  it('answers Ctrl-C like a no, with --json', async () => {
    const interruption = new AbortController();
    setTimeout(() => interruption.abort(), 200);
    const typed = { columns: 100, signal: interruption.signal };
    const { code, stdout, stderr } = await desk.run(['deny', REQUEST_ID, '--json'], typed);
    expect({ code, request: JSON.parse(stdout) }).toMatchObject({ code: 130, request: { state: 'pending' } });
    expect(stderr).toContain('Nothing was decided.');
  });

  it('answers a no with the request as it is, with --json', async () => {
    const { code, stdout } = await desk.run(['deny', REQUEST_ID, '--json'], { columns: 100, input: 'n\n' });
    expect({ code, request: JSON.parse(stdout) }).toMatchObject({ code: 1, request: { state: 'pending' } });
  });

  it.each(['n\n', '\n', 'yess\n'])('decides nothing for the answer %j', async (input) => {
    const { code } = await desk.run(['approve', REQUEST_ID], { columns: 100, input });
    expect({ code, sent: desk.service.of('POST /v1/requests/*/decisions') }).toEqual({ code: 1, sent: [] });
  });

  it('decides nothing where nobody can be asked, unless --yes is said', async () => {
    expect((await desk.run(['deny', REQUEST_ID])).code).toBe(2);
    expect(desk.service.of('POST /v1/requests/*/decisions')).toEqual([]);
    expect((await desk.run(['deny', REQUEST_ID, '--yes'])).code).toBe(0);
  });

  it('says what the outcome was to whoever comes second', async () => {
    desk.service.on('GET /v1/requests/*', { body: aRequest({ state: 'denied', decidedAt: inSeconds(-9) }) });
    const { code, stderr } = await desk.run(['approve', REQUEST_ID, '--yes']);
    expect(code).toBe(6);
    expect(stderr).toContain('It was denied.');
  });
});

describe('the list of grants', () => {
  it('marks those that have ended and left something, which waits for somebody', async () => {
    const ended = { state: 'ended', endReason: 'expired', endedAt: inSeconds(-60) } as const;
    const items = [
      aGrant({
        ...ended,
        id: '11111111-0000-4000-8000-000000000001',
        leftovers: [{ what: 'view v', why: 'no plain data' }],
      }),
      aGrant({ ...ended, id: '22222222-0000-4000-8000-000000000002' }),
    ];
    desk.service.on('GET /v1/grants', { body: { items } });
    const { stdout } = await desk.run(['grants', '--all']);
    const states = stdout
      .split('\n')
      .flatMap((line) => /^([12])\1{7}.* (ended(?:, left something)?)  /.exec(line)?.slice(1) ?? []);
    expect(states).toEqual(['1', 'ended, left something', '2', 'ended']);
  });
});

describe('ids', () => {
  const other = '1a2b9999-0000-4000-8000-000000000009';

  it('takes the beginning of one, and says when there are several', async () => {
    desk.service
      .on('GET /v1/grants', { body: { items: [aGrant(), aGrant({ id: other })] } })
      .on('POST /v1/grants/*/release', ({ path }) => ({
        body: aGrant({ id: path.split('/')[3] ?? '', state: 'ended', endReason: 'released' }),
      }))
      .on('GET /v1/grants/*', { body: aGrant({ state: 'ended' }) });
    const { code, stderr } = await desk.run(['done', '1a2b']);
    expect(code).toBe(2);
    expect(stderr).toContain(other);
    expect((await desk.run(['done', '1a2b3'])).code).toBe(0);
    expect(desk.service.of('POST /v1/grants/*/release').map(({ path }) => path)).toEqual([
      `/v1/grants/${GRANT_ID}/release`,
    ]);
    expect((await desk.run(['done', 'ffff'])).code).toBe(5);
  });

  it('takes target/entitlement for the one live grant, past one that ends already', async () => {
    desk.service
      .on('GET /v1/grants', { body: { items: [aGrant({ id: other, state: 'ending' }), aGrant()] } })
      .on('POST /v1/grants/*/release', { body: aGrant({ state: 'ending', endReason: 'released' }) })
      .on('GET /v1/grants/*', { body: aGrant({ state: 'ended', endReason: 'released' }) });
    expect((await desk.run(['done', 'orders-db/read'])).code).toBe(0);
    expect(desk.service.of(`POST /v1/grants/${GRANT_ID}/release`)).toHaveLength(1);
    expect((await desk.run(['done', 'orders-db/write'])).code).toBe(5);
  });
});

describe('output', () => {
  beforeEach(() =>
    desk.service.on('GET /v1/grants', {
      body: { items: [aGrant(), aGrant({ state: 'stuck', stuckAt: inSeconds(-90) })] },
    }),
  );

  it('has no colours and no spinner when it is no terminal, and none with NO_COLOR or --no-color', async () => {
    const plain = [
      await desk.run(['grants']),
      await desk.run(['grants', '--no-color'], { columns: 80 }),
      await desk.run(['grants'], { columns: 80, variables: { NO_COLOR: '1' } }),
    ];
    for (const { stdout, stderr } of plain) expect(stdout + stderr).not.toContain(ESCAPE);
    expect((await desk.run(['grants'], { columns: 80 })).stdout).toContain(ESCAPE);
  });

  it('fits the terminal, and is whole elsewhere', async () => {
    const name = `Ada ${'x'.repeat(90)}`;
    desk.service.on('GET /v1/grants', { body: { items: [aGrant({ holder: { id: 'a', name } })] } });
    const { stdout } = await desk.run(['grants', '--no-color'], { columns: 70 });
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(70);
    expect(stdout).toContain('…');
    expect((await desk.run(['grants'])).stdout).toContain(name);
  });

  it('takes a terminal without a size for an ordinary one', async () => {
    expect((await desk.run(['grants', '--no-color'], { columns: 0 })).stdout).toContain('orders-db/read  Ada');
  });

  it('counts down and shows what is stuck', async () => {
    const { stdout } = await desk.run(['grants']);
    expect(stdout).toMatch(/active\s+ends in (29m 5\ds|30m 00s)/);
    expect(stdout).toMatch(/stuck\s+not proven; stuck since 1m [23]\ds ago/);
  });

  it('is exactly one JSON document with --json, and a line each where it goes on', async () => {
    expect(JSON.parse((await desk.run(['grants', '--json'])).stdout)).toMatchObject({
      items: [{ id: GRANT_ID }, { state: 'stuck' }],
    });
    const interruption = new AbortController();
    desk.service.on('GET /v1/grants', () => {
      setTimeout(() => interruption.abort(), 200);
      return { body: { items: [aGrant()] } };
    });
    const { code, stdout } = await desk.run(['grants', '--watch', '--json'], { signal: interruption.signal });
    expect(code).toBe(0);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toMatchObject([{ id: GRANT_ID }]);
  });
});

describe('targets add', () => {
  const yaml = 'name: orders-db\nkind: postgres\nowner: Group::"orders-owners"\n';

  it('takes the password from standard input, or without echo from a terminal, never from an argument', async () => {
    desk.service.on('POST /v1/targets', { status: 201, body: aTarget() });
    const { writeFileSync } = await import('node:fs');
    const file = `${desk.folder}/orders-db.yaml`;
    writeFileSync(file, yaml);
    const piped = await desk.run(['targets', 'add', '-f', file], { input: 'hunter2\n' });
    const typed = await desk.run(['targets', 'add', '-f', file], { input: 'hunterx\u007f2\r', columns: 80 });
    const bodies = desk.service.of('POST /v1/targets').map(({ body }) => body);
    expect([piped.code, typed.code]).toEqual([0, 0]);
    expect(bodies).toMatchObject([{ password: 'hunter2', file: { name: 'orders-db' } }, { password: 'hunter2' }]);
    expect(piped.stdout + piped.stderr + typed.stdout + typed.stderr).not.toContain('hunter');
    expect((await desk.run(['targets', 'add', '-f', file, '--password', 'x'])).code).toBe(2);
    expect((await desk.run(['targets', 'add', '-f', file], { input: '' })).code).toBe(2);
  });

  it.each([
    ['standard input', ['targets', 'add', '-f', 'FILE']],
    ['a file', ['targets', 'add', '-f', 'FILE', '--password-file', 'PASSWORD']],
  ])('refuses a password of several lines from %s, and sends none of them', async (_, words) => {
    const { writeFileSync } = await import('node:fs');
    const files = { FILE: `${desk.folder}/orders-db.yaml`, PASSWORD: `${desk.folder}/password` };
    writeFileSync(files.FILE, yaml);
    writeFileSync(files.PASSWORD, 'hunter2\nhunter3\n');
    const typed = words.map((word) => files[word as keyof typeof files] ?? word);
    const { code, stdout, stderr } = await desk.run(typed, { input: 'hunter2\nhunter3\n' });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('the password has several lines');
    expect(stderr).not.toContain('hunter');
    expect(desk.service.asked).toEqual([]);
  });

  describe('checks what it has added', () => {
    const CHECKS = 'POST /v1/targets/*/checks';
    const add = async (...more: string[]) => {
      const { writeFileSync } = await import('node:fs');
      const file = `${desk.folder}/orders-db.yaml`;
      writeFileSync(file, yaml);
      desk.service
        .on('POST /v1/targets', { status: 201, body: aTarget() })
        .on('PUT /v1/targets/*', { body: aTarget() });
      return desk.run(['targets', 'add', '-f', file, ...more], { input: 'hunter2\n' });
    };

    it('and says at once what is wrong with it, on standard error, with 0: it is added', async () => {
      const remedy = 'Accept it: `curfew targets add -f <file> --replace --accept-createrole-on-15`.';
      const findings = [
        { kind: 'wrong', message: 'on PostgreSQL 15 an account with CREATEROLE can do anything', remedy },
      ];
      desk.service.on(CHECKS, { body: { ok: false, version: '15.10', findings } });
      const { code, stdout, stderr } = await add();
      expect([code, stdout]).toEqual([0, '✓ orders-db is added.\n']);
      for (const words of [
        'orders-db is not right yet',
        'on PostgreSQL 15',
        '--accept-createrole-on-15',
        'curfew targets check orders-db',
      ])
        expect(stderr).toContain(words);
      const changed = await add('--replace', '--json');
      expect([changed.code, JSON.parse(changed.stdout)]).toEqual([0, aTarget()]);
      expect(changed.stderr).toContain('on PostgreSQL 15');
    });

    it('and says that it is right', async () => {
      desk.service.on(CHECKS, { body: { ok: true, version: '18.4', findings: [] } });
      const { code, stderr } = await add();
      expect(code).toBe(0);
      expect(stderr).toContain('orders-db is right (18.4)');
    });

    it('and says that nobody knows yet, when the service cannot tell', async () => {
      desk.service.on(CHECKS, problem(500, 'internal', 'something went wrong'));
      const { code, stdout, stderr } = await add();
      expect([code, stdout]).toEqual([0, '✓ orders-db is added.\n']);
      expect(stderr).toContain('It could not be checked now (something went wrong): curfew targets check orders-db');
    });
  });

  it('ends with 9 when a check found something, and prints the SQL that mends it apart from words', async () => {
    const findings = [
      { kind: 'notice', message: 'TLS is switched off', remedy: 'tls: { mode: verify-full }' },
      { kind: 'missing', message: 'no ADMIN OPTION', sql: ['GRANT orders_read TO curfew WITH ADMIN OPTION;'] },
      { kind: 'excess', message: 'rights', database: 'a"b', sql: ['REVOKE 1;', 'REVOKE 2;'] },
      { kind: 'excess', message: 'more rights', database: 'a"b', sql: ['REVOKE 3;\u001b[31m'] },
      { kind: 'wrong', message: 'too powerful', remedy: 'Take that away from the role, or lend another one.' },
    ];
    desk.service.on('POST /v1/targets/*/checks', { body: { ok: false, version: '18', findings } });
    const { code, stdout } = await desk.run(['targets', 'check', 'orders-db']);
    expect(code).toBe(9);
    const [, sql, words] = /in this order:\n\n([^]*?)\n\n {2}What else is to be done:\n\n([^]*)$/.exec(stdout) ?? [];
    expect(sql?.split('\n').map((line) => line.trim())).toEqual([
      'GRANT orders_read TO curfew WITH ADMIN OPTION;',
      '\\connect "a""b"',
      'REVOKE 1;',
      'REVOKE 2;',
      'REVOKE 3;\\u{1b}[31m',
    ]);
    expect(
      words
        ?.trimEnd()
        .split('\n')
        .map((line) => line.trim()),
    ).toEqual(['tls: { mode: verify-full }', 'Take that away from the role, or lend another one.']);
  });
});

describe('the documentation', () => {
  it('names every exit code and every command', async () => {
    const { readFileSync } = await import('node:fs');
    const page = readFileSync(`${import.meta.dirname}/../../../../docs/cli.md`, 'utf8');
    for (const [code, meaning] of EXIT_MEANINGS) expect(page).toMatch(new RegExp(`\\|\\s+${code} \\| ${meaning}`));
    const help = (await desk.run(['--help'])).stdout;
    const commands = [...help.matchAll(/^ {2}([a-z]+) /gm)]
      .map(([, name]) => name ?? '')
      .filter((name) => name !== 'help');
    expect(commands.length).toBeGreaterThan(15);
    for (const name of commands) expect(page).toContain(`\`${name}`);
  });
});
