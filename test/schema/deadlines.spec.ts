import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { aHouse, type House } from '../support/house';

const NOT_NULL = '23502';
const CHECK = '23514';

/** Promise 1: there is no way to store a grant or an approval that has no deadline, or an infinite one. */
describe('nothing without a deadline', () => {
  let house: House;
  beforeAll(async () => {
    house = await aHouse();
    const ada = await house.person('ada');
    const ben = await house.person('ben');
    const order = { entitlements: ['db/read'], durationSeconds: 600, reason: new Secret('why') };
    const open = () => house.as(ada, (tx) => house.requests.open(tx, ada, order));
    await open();
    const id = await open();
    const { scopeHash } = await house.views.requests.get(house.api.manager, ada, id);
    await house.as(ben, (tx) => house.decisions.decide(tx, ben, id, { verdict: 'approve', scopeHash }));
    await house.work();
    await house.owner.query(
      `WITH settings AS (SELECT set_config('curfew.actor', 't', true), set_config('curfew.correlation', 't', true))
       INSERT INTO sign_ins (connection_id, handle_hash, device_code_sealed, poll_interval_seconds, next_poll_at, max_age_seconds, lapses_at)
       SELECT id, sha256('x'), '\\x00', 5, clock_timestamp(), 60, clock_timestamp() + interval '10 minutes' FROM connections, settings`,
    );
    await house.owner.query(
      `WITH settings AS MATERIALIZED (SELECT set_config('curfew.actor', 't', true), set_config('curfew.correlation', 't', true))
       INSERT INTO strays (target_id, grant_id) SELECT id, gen_random_uuid() FROM targets, settings`,
    );
  });
  afterAll(() => house.close());

  /** As nobody is allowed to: a superuser, with every state. */
  const change = (table: string, sets: string) =>
    house.owner.transaction(async (tx) => {
      await tx.query(`SELECT set_config('curfew.actor', 't', true), set_config('curfew.correlation', 't', true)`);
      await tx.query(`UPDATE ${table} SET ${sets}, revision = revision + 1`);
      throw new Error('was taken');
    });

  const finite = (table: string, column: string) =>
    [
      [table, `${column} = NULL`, NOT_NULL],
      [table, `${column} = 'infinity'`, CHECK],
      [table, `${column} = '-infinity'`, CHECK],
    ] as const;
  const bounded = (table: string) =>
    [
      [table, 'duration_seconds = NULL', NOT_NULL],
      ...[0, -1, 366 * 86_400 + 1, 2_147_483_647].map(
        (seconds) => [table, `duration_seconds = ${seconds}`, CHECK] as const,
      ),
    ] as const;

  it.each([
    ...finite('requests', 'lapses_at'),
    ...bounded('requests'),
    ...finite('grants', 'ends_at'),
    ...finite('grants', 'activate_by'),
    ...bounded('grants'),
    ...finite('strays', 'remove_at'),
    ['strays', `remove_at = found_at + interval '10 minutes' - interval '1 millisecond'`, CHECK],
    ['grants', `ends_at = activate_by + interval '600 seconds 1 millisecond'`, CHECK],
    ['grants', `activate_by = activate_by - interval '1 day'`, CHECK],
    ['grants', `ends_at = '294276-12-31'`, CHECK],
    ...finite('sign_ins', 'lapses_at'),
    ...finite('sign_ins', 'next_poll_at'),
    ['sign_ins', `ends_at = 'infinity'`, CHECK],
    [
      'sign_ins',
      `state = 'completed', device_code_sealed = NULL, identity_id = (SELECT id FROM identities LIMIT 1), signed_in_at = clock_timestamp()`,
      CHECK,
    ],
    ['sign_ins', `max_age_seconds = 31622401`, CHECK],
  ] as const)('%s: %s is refused', async (table, sets, code) => {
    await expect(change(table, sets)).rejects.toMatchObject({ driverError: { code } });
  });

  it.each([
    ['requests', `lapses_at = clock_timestamp() + interval '1 day'`],
    ['requests', 'duration_seconds = 31622400'],
    ['grants', `ends_at = activate_by + interval '600 seconds'`],
    ['sign_ins', `lapses_at = clock_timestamp() + interval '1 hour'`],
  ])('%s: %s is not', async (table, sets) => {
    await expect(change(table, sets)).rejects.toThrow('was taken');
  });
});
