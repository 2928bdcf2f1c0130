import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Person } from '../../scripts/demo/person';
import { waitFor } from '../../scripts/waiting';
import { RunningService } from '../support/service';

interface Life {
  readonly state: string;
  readonly endReason: string | null;
  readonly failure: string | null;
}

describe('policies that change while grants live', () => {
  const folder = mkdtempSync(join(tmpdir(), 'curfew policies '));
  const orders = join(folder, 'orders.cedar');
  let service: RunningService;
  let ada: Person;
  let ben: Person;
  let root: Person;

  beforeAll(async () => {
    cpSync(resolve(import.meta.dirname, '../../policies'), folder, { recursive: true });
    service = await RunningService.start({ POLICY_DIR: folder });
    [ada, ben, root] = await Promise.all([service.person('ada'), service.person('ben'), service.person('root')]);
  });
  afterAll(async () => {
    await service?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const reach = async (id: string, state: string) => {
    const look = () => ada.run<Life>('show', id);
    await waitFor(async () => ((await look()).state === state ? true : undefined), 15_000, 100);
    return look();
  };
  const active = async (entitlement: string) => {
    const words = ['request', `orders-db/${entitlement}`, '--for', '10m', '--reason', 'INC-4711', '--no-wait'];
    const { id } = await ada.run<{ id: string }>(...words);
    const { grants } = await ben.run<{ grants: { id: string }[] }>('approve', id, '--yes');
    expect(await reach(grants[0]!.id, 'active')).toMatchObject({ state: 'active' });
    return grants[0]!.id;
  };

  it('ends the grants that a reload does not allow any more, and only these', async () => {
    const read = await active('read');
    const write = await active('write');
    const before = readFileSync(orders, 'utf8');
    writeFileSync(
      orders,
      `${before}\n@id("freeze") forbid (principal, action == Action::"request", resource == Entitlement::"orders-db/write");\n`,
    );
    expect(await root.run('policy', 'reload')).toMatchObject({ changed: true });
    expect(await reach(write, 'ended')).toMatchObject({ endReason: 'policy', failure: 'access.no_longer_allowed' });
    expect(await reach(read, 'active')).toMatchObject({ state: 'active', endReason: null });
    await ada.run('done', read);
  }, 60_000);
});
