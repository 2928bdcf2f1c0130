import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aGrant, aRequest, GRANT_ID, inSeconds, REQUEST_ID } from '../../../../test/support/cli/builders';
import { Desk } from '../../../../test/support/cli/desk';
import { problem } from '../../../../test/support/cli/fake-service';
import type { AccessRequest } from '../service/shapes';

const BEN = { id: '0be00000-0000-4000-8000-00000000000b', name: 'Ben' };
const EVENTS = 'GET /v1/audit/events';

let desk: Desk;
beforeEach(async () => {
  desk = await Desk.open();
  desk.signIn();
});
afterEach(() => desk.close());

/** A grant that somebody revoked, and what the record says of it. */
function revoked(actor: string, changes: Partial<AccessRequest> = {}): void {
  const decisions = [{ by: BEN, verdict: 'approve', at: inSeconds(-30), policies: [] }];
  const event = (id: string, members: Record<string, string>) => ({ id, leafHash: '', members, opened: {} });
  desk.service
    .on('GET /v1/grants/*', { body: aGrant({ state: 'ended', endReason: 'revoked', endingAt: inSeconds(-9) }) })
    .on('GET /v1/requests/*', { body: aRequest({ state: 'approved', decisions, ...changes }) })
    .on(EVENTS, {
      body: {
        items: [
          event('9', { actor: 'worker', from: 'ending', to: 'ended', endReason: 'revoked' }),
          event('8', { actor, from: 'active', to: 'ending', endReason: 'revoked' }),
          event('7', { actor: 'worker', from: 'activating', to: 'active' }),
        ],
      },
    });
}

describe('what a grant comes from', () => {
  it('is shown with it: why, who decided, and who revoked it', async () => {
    revoked(BEN.id);
    const { code, stdout } = await desk.run(['show', GRANT_ID]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/why +INC-4711\n/);
    expect(stdout).toMatch(/decisions +[\d-]+ [\d:.]+ {2}approved by Ben\n/);
    expect(stdout).toMatch(/revoked by +Ben\n/);
    expect(desk.service.of(EVENTS)[0]?.query.get('subject')).toBe(GRANT_ID);
    expect(desk.service.of(`GET /v1/requests/${REQUEST_ID}`)).toHaveLength(1);
  });

  it('has the whole id of somebody who had nothing to do with it before', async () => {
    const root = '0c000000-0000-4000-8000-00000000000c';
    revoked(root);
    expect((await desk.run(['show', GRANT_ID])).stdout).toMatch(new RegExp(`revoked by +${root}\n`));
  });

  it('is left out where it is refused, or not to be had', async () => {
    revoked(BEN.id);
    desk.service
      .on(EVENTS, problem(403, 'access.not_permitted', 'no'))
      .on('GET /v1/requests/*', problem(404, 'access.not_found', 'no'));
    const { code, stdout, stderr } = await desk.run(['show', GRANT_ID]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).not.toMatch(/why|decisions|revoked by/);
  });

  it('is not asked for with --json, which is what the service says of the grant', async () => {
    revoked(BEN.id);
    await desk.run(['show', GRANT_ID, '--json']);
    expect([...desk.service.of(EVENTS), ...desk.service.of('GET /v1/requests/*')]).toEqual([]);
  });

  it('says no more of a reason that is not there than is known', async () => {
    revoked(BEN.id, { reason: null });
    for (const id of [GRANT_ID, REQUEST_ID]) {
      desk.service.on(`GET /v1/grants/${REQUEST_ID}`, problem(404, 'access.not_found', 'no'));
      const { stdout } = await desk.run(['show', id]);
      expect(stdout).toContain('cannot be shown: it was erased, or the key that it was sealed under is lost');
    }
  });
});

it('audit list says that a pick-up was refused, and that another credential was asked for', async () => {
  const event = (refusedPickUps: string, replacementsAsked: string) => ({
    id: '5',
    leafHash: '',
    members: {
      subject: `credential:${GRANT_ID}`,
      from: 'picked_up',
      to: 'picked_up',
      refusedPickUps,
      replacementsAsked,
    },
    opened: {},
  });
  desk.service.on(EVENTS, { body: { items: [event('1', '0'), event('0', '1'), event('1', '1')] } });
  const { stdout } = await desk.run(['audit', 'list']);
  expect(stdout.match(/picked_up.*/g)?.map((line) => line.split('  ')[0])).toEqual([
    expect.stringMatching(/^picked_up; refused pick-ups: 1\b/),
    expect.stringMatching(/^picked_up; asked for another: 1\b/),
    expect.stringMatching(/^picked_up; refused pick-ups: 1, asked for another: 1\b/),
  ]);
  expect(stdout).not.toContain('→');
});
