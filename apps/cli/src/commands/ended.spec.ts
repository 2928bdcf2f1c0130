import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aGrant, GRANT_ID, inSeconds } from '../../../../test/support/cli/builders';
import { Desk } from '../../../../test/support/cli/desk';

let desk: Desk;
beforeEach(async () => {
  desk = await Desk.open();
  desk.signIn();
});
afterEach(() => desk.close());

/** A grant that had come to its end before anybody asked for it. */
function ended(endReason: string, more: Parameters<typeof aGrant>[0] = {}): void {
  const grant = aGrant({ state: 'ended', endReason, endingAt: inSeconds(-90), endedAt: inSeconds(-89), ...more });
  desk.service
    .on('POST /v1/grants/*/release', { body: grant })
    .on('POST /v1/grants/*/revocation', { body: grant })
    .on('GET /v1/grants', ({ query }) => ({ body: { items: query.get('state') === 'live' ? [] : [grant] } }))
    .on('GET /v1/grants/*', { body: grant });
}

describe('ending what has ended', () => {
  it.each([
    ['done', 'expired', 'had already expired at'],
    ['done', 'revoked', 'had already been revoked at'],
    ['done', 'policy', 'had already been ended by the policies at'],
    ['revoke', 'expired', 'had already expired at'],
    ['revoke', 'released', 'had already been given back at'],
    ['revoke', 'failed', 'had already failed to begin at'],
    ['revoke', 'somehow', 'had already ended at'],
  ])('%s says so when it was %s, and ends with 6', async (command, reason, says) => {
    ended(reason);
    const { code, stdout, stderr } = await desk.run([command, GRANT_ID]);
    expect({ code, stdout }).toEqual({ code: 6, stdout: '' });
    expect(stderr).toContain(`orders-db/read ${says}`);
    expect(stderr).toMatch(/nothing was (given back|revoked)/);
    expect(stderr).toContain('Its end is proven');
  });

  it.each([
    ['done', 'released', 'was given back at'],
    ['revoke', 'revoked', 'of Ada was revoked at'],
  ])('%s a second time says the same as the first, with 0', async (command, reason, says) => {
    ended(reason);
    const { code, stdout } = await desk.run([command, GRANT_ID]);
    expect(code).toBe(0);
    expect(stdout).toContain(`orders-db/read ${says}`);
  });

  it('is a problem in JSON, with how and when it ended', async () => {
    const endingAt = inSeconds(-90);
    ended('expired', { state: 'stuck', endingAt, endedAt: null });
    const { code, stdout, stderr } = await desk.run(['revoke', GRANT_ID, '--json']);
    expect({ code, stdout }).toEqual({ code: 6, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({
      code: 'cli.ended_before',
      detail: expect.stringContaining('not proven yet'),
      details: { grant: { id: GRANT_ID, state: 'stuck', endReason: 'expired', endingAt, endedAt: null } },
    });
  });

  it('finds a grant by its entitlement after its end too, where that is what is asked about', async () => {
    ended('released');
    expect((await desk.run(['done', 'orders-db/read'])).code).toBe(0);
    expect((await desk.run(['show', 'orders-db/read'])).stdout).toContain('released');
    expect((await desk.run(['exec', 'orders-db/read', '--', 'true'])).code).toBe(5);
    expect((await desk.run(['done', 'orders-db/write'])).stderr).toContain('never had a grant');
  });

  it('says in the help of the commands what the exit codes mean', async () => {
    for (const command of ['done', 'revoke'])
      expect((await desk.run(['help', command])).stdout).toMatch(/Ends with 6, and says how it had ended/);
  });

  it('says to whoever wants to use it how and when it ended', async () => {
    ended('revoked');
    const { code, stderr } = await desk.run(['exec', GRANT_ID, '--', 'true']);
    expect(code).toBe(6);
    expect(stderr).toContain('has ended');
    expect(stderr).toMatch(/It was revoked at [\d :-]+\. Ask again: `curfew request orders-db\/read --for/);
  });

  it('does not say that it has ended before that is proven', async () => {
    ended('revoked', { state: 'ending', endedAt: null });
    const { code, stderr } = await desk.run(['exec', GRANT_ID, '--', 'true']);
    expect(code).toBe(6);
    expect(stderr).toContain('the grant on orders-db/read is over');
    expect(stderr).toMatch(/It was revoked at [\d :-]+; its end is not proven yet\. Ask again/);
    expect(stderr).not.toContain('has ended');
  });
});
