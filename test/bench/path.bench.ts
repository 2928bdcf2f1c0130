import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pMap from 'p-map';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { scramVerifier } from '@app/platform';
import { DEMO_ADMIN } from '../../scripts/demo-target';
import { ticks, waitFor } from '../../scripts/waiting';
import { Asker, FREE_POLICY } from './asker';
import { rated, report, rounds, ROUNDS, say, spread, words } from './figures';
import { SIZES } from './goals';
import { Population } from './population';
import { BACKENDS, BenchStage } from './stage';

const { asked, begun, listed, atOnce } = SIZES;
const PAUSE_MS = 20;

describe.each(BACKENDS)('the path, with the queue on %s', (backend) => {
  const queue = `queue: ${backend}`;
  const policies = mkdtempSync(join(tmpdir(), 'curfew-bench-policies-'));
  let stage: BenchStage;
  let ada: Asker;
  beforeAll(async () => {
    cpSync(resolve(import.meta.dirname, '../../policies'), policies, { recursive: true });
    writeFileSync(join(policies, 'bench.cedar'), FREE_POLICY);
    stage = await BenchStage.begin(backend, { POLICY_DIR: policies }, { commitTimes: false });
    ada = new Asker(stage.service, 'ada');
  });
  beforeEach(() => ada.signIn());
  afterAll(async () => {
    ada?.close();
    await stage?.end();
    rmSync(policies, { recursive: true, force: true });
  });

  const count = async (ids: readonly string[], state: string): Promise<number> => {
    const { rows } = await stage.database.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM grants WHERE id = ANY($1) AND state = $2',
      [ids, state],
    );
    return rows[0]!.n;
  };
  /** Every role that our account has made makes the next one dearer: each round begins without any. */
  const end = async (ids: readonly string[]): Promise<void> => {
    await pMap(ids, (id) => ada.release(id), { concurrency: atOnce });
    const areEnded = async () => (await count(ids, 'ended')) === ids.length || undefined;
    expect(await waitFor(areEnded, 300_000, 250)).toBe(true);
  };

  it('from the asking to the credential in hand', async () => {
    const took = await rounds('in hand', async () => {
      await ada.signIn();
      const [ids, times]: [string[], number[]] = [[], []];
      for (let n = 0; n < asked; n += 1) {
        const begunAt = ticks();
        const id = await ada.ask();
        await ada.inHand(id);
        times.push(ticks() - begunAt);
        ids.push(id);
        await pause(PAUSE_MS);
      }
      await end(ids);
      return times;
    });
    expect(took.length).toBe(ROUNDS);
    const numbers = spread(took.flat());
    report('inHand', { with: queue, measured: words(numbers), numbers: { ...numbers } });
  });

  it('grants begun per second', async () => {
    const seen = await rounds('begun', async () => {
      await ada.signIn();
      const floor = await bareRoles(false);
      const member = await bareRoles(true);
      const begunAt = ticks();
      const ids = await pMap(Array.from({ length: begun }), () => ada.ask(), { concurrency: atOnce });
      const areActive = async () => (await count(ids, 'active')) === begun || undefined;
      expect(await waitFor(areActive, 120_000, 20)).toBe(true);
      const rate = (begun * 1_000) / (ticks() - begunAt);
      await end(ids);
      return { floor, member, rate };
    });
    expect(seen.length).toBe(ROUNDS);
    const of = (what: 'floor' | 'member' | 'rate') => seen.map((round) => round[what]);
    const { measured, floor, numbers } = rated(of('rate'), of('floor'));
    const member = spread(of('member')).p50;
    report('begun', {
      with: queue,
      measured,
      floor: `${floor} of CREATE ROLE alone; ${member.toFixed(0)}/s with its GRANT in one transaction`,
      numbers: { ...numbers, member },
    });
  });

  it.runIf(backend === BACKENDS[0])('the list of requests', async () => {
    say(`${listed} requests`);
    await new Population(stage).asked(listed);
    const took = await rounds('list', async () => {
      await ada.signIn();
      const times: number[] = [];
      for (let n = 0; n < 200; n += 1) {
        const begunAt = ticks();
        const { items } = await ada.send<{ items: unknown[] }>('/v1/requests');
        times.push(ticks() - begunAt);
        expect(items.length).toBeGreaterThan(10);
      }
      return times;
    });
    expect(took.length).toBe(ROUNDS);
    const numbers = spread(took.flat());
    report('list', { measured: words(numbers), numbers: { ...numbers } });
  });

  /** Roles like ours, made by our account on connections that stay open. @returns how many in a second */
  const bareRoles = async (member: boolean): Promise<number> => {
    const names = Array.from({ length: begun }, (_, n) => `bare-${n}`);
    const verifier = await scramVerifier(new Secret('bench-3f9a0c7d51b84e26'));
    const clients = await Promise.all(Array.from({ length: atOnce }, () => stage.target.connect()));
    try {
      for (const client of clients) await client.query(`SET SESSION AUTHORIZATION ${DEMO_ADMIN}`);
      const left = [...names];
      const begunAt = ticks();
      const make = (name: string): string =>
        `CREATE ROLE "${name}" LOGIN CONNECTION LIMIT 5 PASSWORD '${verifier}' VALID UNTIL '2100-01-01'`;
      const statement = (name: string): string =>
        member
          ? `BEGIN; ${make(name)}; GRANT orders_read TO "${name}" WITH INHERIT TRUE, SET FALSE; COMMIT`
          : make(name);
      await Promise.all(
        clients.map(async (client) => {
          for (let name = left.pop(); name !== undefined; name = left.pop()) await client.query(statement(name));
        }),
      );
      const rate = (begun * 1_000) / (ticks() - begunAt);
      await clients[0]!.query(names.map((name) => `DROP ROLE "${name}"`).join('; '));
      return rate;
    } finally {
      for (const client of clients) client.release(true);
    }
  };
});
