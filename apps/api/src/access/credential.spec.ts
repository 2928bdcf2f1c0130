import { afterAll, beforeAll, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { Sealer } from '@app/platform';
import { anApiApp, type ApiApp } from '../../../../test/support/api-app';
import { bareGrants, pastTriggers } from '../../../../test/support/bare-grant';

let api: ApiApp;
beforeAll(async () => {
  api = await anApiApp();
});
afterAll(() => api?.close());

it('a credential is kept by nobody on its way', async () => {
  const authorization = `Bearer ${await api.tokenOf('ada')}`;
  await api.owner.query(
    pastTriggers(
      `${bareGrants('active', 1)};
       INSERT INTO targets (name, kind, owner_group, connection, password_sealed, config_hash) VALUES ('orders', 'postgres', 'o', '{}', '\\x00', sha256('x'));
       INSERT INTO entitlements (target_id, name, config) SELECT id, 'read', '{}' FROM targets;
       UPDATE grants SET identity_id = (SELECT id FROM identities WHERE subject = 'ada'),
         target_id = e.target_id, entitlement_id = e.id FROM entitlements e`,
    ),
  );
  const { rows } = await api.owner.query<{ id: string }>('SELECT id FROM grants');
  const id = rows[0]!.id;
  const handedOver = { fields: { user: 'u', password: 'once' }, environment: { PGUSER: 'u' } };
  const sealed = await api.app
    .get(Sealer, { strict: false })
    .seal(new Secret(JSON.stringify(handedOver)), `credentials.sealed:${id}/1`);
  await api.owner.query(
    pastTriggers(
      `INSERT INTO credentials (grant_id, version, sealed, proof_sealed) VALUES ('${id}', 1, '\\x${sealed.toString('hex')}', '\\x00')`,
    ),
  );
  const pickUp = () => api.send({ method: 'POST', path: `/v1/grants/${id}/credential`, headers: { authorization } });
  const [first, second] = [await pickUp(), await pickUp()];
  expect(JSON.parse(first.text)).toMatchObject(handedOver);
  expect([first.status, first.headers['cache-control']]).toEqual([200, 'no-store']);
  expect([second.status, second.headers['cache-control']]).toEqual([409, 'no-store']);
});
