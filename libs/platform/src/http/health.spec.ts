import type { Response } from 'express';
import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { Clock } from '@app/kernel';
import { HealthController, type CheckResult } from './health';

/** Stands still until it is told. */
class SetClock extends Clock {
  ms = Date.UTC(2030, 0, 1);

  milliseconds(): number {
    return this.ms;
  }
}

const FINE: CheckResult = { ok: true };

describe('/readyz', () => {
  let clock: SetClock;
  let says: Record<'database' | 'queue', () => Promise<CheckResult>>;
  let health: HealthController;
  let status: number | undefined;
  beforeEach(() => {
    clock = new SetClock();
    says = { database: async () => FINE, queue: async () => FINE };
    const checks = (['database', 'queue'] as const).map((name) => ({ name, check: () => says[name]() }));
    health = new HealthController(checks, new Registry(), clock);
  });

  /** Somebody looks, so many seconds after the beginning. */
  const look = async (seconds: number) => {
    clock.ms = Date.UTC(2030, 0, 1) + seconds * 1_000;
    const response = { status: (code: number) => (status = code) } as unknown as Response;
    return (await health.readyz(response)).checks;
  };

  it('says since when a check has failed, however often it is asked, and forgets it when it passes', async () => {
    expect(await look(0)).toEqual({ database: FINE, queue: FINE });
    says.database = async () => {
      throw new Error('away');
    };
    const failed = { ok: false, detail: 'failed', since: '2030-01-01T00:00:10.000Z' };
    expect(await look(10)).toEqual({ database: failed, queue: FINE });
    expect([await look(20), status]).toEqual([{ database: failed, queue: FINE }, 503]);
    says.database = async () => FINE;
    expect([await look(30), status]).toEqual([{ database: FINE, queue: FINE }, 200]);
    says.database = async () => ({ ok: false });
    expect(await look(40)).toEqual({ database: { ok: false, since: '2030-01-01T00:00:40.000Z' }, queue: FINE });
  });

  it('says it of a warning too, and of each check for itself', async () => {
    says.queue = async () => ({ ok: true, warning: true });
    await look(1);
    says.database = async () => ({ ok: false });
    expect(await look(2)).toEqual({
      database: { ok: false, since: '2030-01-01T00:00:02.000Z' },
      queue: { ok: true, warning: true, since: '2030-01-01T00:00:01.000Z' },
    });
  });

  it('does not take what it was asked about long ago for the same', async () => {
    says.database = async () => ({ ok: false });
    await look(0);
    await look(60);
    expect((await look(120))['database']).toEqual({ ok: false, since: '2030-01-01T00:00:00.000Z' });
    // Nobody looked for an hour: all may have been well.
    expect((await look(3_720))['database']).toEqual({ ok: false, since: '2030-01-01T01:02:00.000Z' });
    expect((await look(3_730))['database']).toEqual({ ok: false, since: '2030-01-01T01:02:00.000Z' });
  });

  it('does not take a failure for the warning before it', async () => {
    says.queue = async () => ({ ok: true, warning: true, since: '2029-12-31T23:00:00.000Z' });
    await look(0);
    says.queue = async () => ({ ok: false });
    expect((await look(10))['queue']).toEqual({ ok: false, since: '2030-01-01T00:00:10.000Z' });
  });

  it('leaves it to a check that knows it better', async () => {
    says.queue = async () => ({ ok: true, warning: true, since: '2029-12-31T23:00:00.000Z' });
    expect((await look(1))['queue']).toMatchObject({ since: '2029-12-31T23:00:00.000Z' });
  });

  it('does not wait for a check that does not answer', async () => {
    says.database = () => new Promise(() => undefined);
    expect((await look(5))['database']).toEqual({ ok: false, detail: 'no answer', since: '2030-01-01T00:00:05.000Z' });
  });
});
