import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aGrant, aRequest, GRANT_ID, inSeconds, REQUEST_ID } from '../../../../test/support/cli/builders';
import { Desk } from '../../../../test/support/cli/desk';
import { problem } from '../../../../test/support/cli/fake-service';
import { KeptCredentials } from '../state/kept-credentials';
import { profileFolder } from '../state/profile';

const OTHER_ID = '9f8e7d6c-0000-4000-8000-000000000009';

let desk: Desk;
beforeEach(async () => {
  desk = await Desk.open();
  desk.signIn();
});
afterEach(() => desk.close());

function keep(id = GRANT_ID, seconds = 600, profile = desk.profile): void {
  new KeptCredentials(profile).reserve(id).keep({
    fields: {},
    environment: {},
    endsAt: inSeconds(seconds),
    entitlement: 'orders-db/read',
    version: 1,
    aheadMs: 0,
  });
}

const kept = (profile = desk.profile): string[] => {
  const folder = join(profile.path, 'credentials');
  return existsSync(folder) ? readdirSync(folder) : [];
};

const ME = { id: 'a', connection: 'x', subject: 'ada', name: 'Ada', email: null, groups: [], signIn: {} };

describe('what is kept of a grant that somebody else ended', () => {
  const revoked = aGrant({ state: 'ended', endReason: 'revoked', endingAt: inSeconds(-9), endedAt: inSeconds(-8) });
  beforeEach(() => {
    keep();
    desk.service
      .on('GET /v1/me', { body: ME })
      .on('GET /v1/grants', ({ query }) => ({ body: { items: query.get('state') === 'live' ? [] : [revoked] } }))
      .on('GET /v1/grants/*', { body: revoked })
      .on('GET /v1/requests', { body: { items: [] } })
      .on('GET /v1/requests/*', {
        body: aRequest({ grants: [{ id: GRANT_ID, state: 'ended', entitlement: 'orders-db/read' }] }),
      })
      .on('POST /v1/grants/*/credential', problem(409, 'access.grant_not_active', 'the grant is not active'));
  });

  it.each([
    ['grants'],
    ['grants --all'],
    [`show ${GRANT_ID}`],
    [`show ${REQUEST_ID}`],
    ['exec orders-db/read -- true'],
    [`exec ${GRANT_ID} -- true`],
    [`credential ${GRANT_ID}`],
    ['requests'],
    ['whoami'],
  ])('goes with `%s`', async (words) => {
    await desk.run(words.split(' '));
    expect(kept()).toEqual([]);
  });

  it('stays while its grant lives, and while the service does not say', async () => {
    desk.service.on('GET /v1/grants/*', { body: aGrant() });
    await desk.run(['whoami']);
    expect(kept()).toEqual([GRANT_ID]);
    desk.service.on('GET /v1/grants/*', problem(503, 'platform.database_away', 'the database is away'));
    await desk.run(['whoami']);
    expect(kept()).toEqual([GRANT_ID]);
    desk.service.on('GET /v1/grants/*', problem(404, 'access.grant_not_found', 'there is no such grant'));
    await desk.run(['whoami']);
    expect(kept()).toEqual([]);
  });
});

describe('what has expired', () => {
  it('goes at the start of any command, of every profile, without the service', async () => {
    const other = profileFolder(join(desk.folder, 'curfew'), 'ben', 'https://curfew.example.com');
    keep(GRANT_ID, -1);
    keep(OTHER_ID, 60);
    keep(GRANT_ID, -1, other);
    await desk.service.stop();
    expect((await desk.run(['completion', 'bash'])).code).toBe(0);
    expect([kept(), kept(other)]).toEqual([[OTHER_ID], []]);
  });

  it('is not what another process is about to keep; what is left half done goes after a while', async () => {
    const folder = join(desk.profile.path, 'credentials', GRANT_ID);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, 'PGSSLROOTCERT'), 'PEM', { mode: 0o600 });
    await desk.run(['completion', 'bash']);
    expect(kept()).toEqual([GRANT_ID]);
    const before = Date.now() / 1_000 - 120;
    utimesSync(folder, before, before);
    await desk.run(['completion', 'bash']);
    expect(kept()).toEqual([]);
  });
});
