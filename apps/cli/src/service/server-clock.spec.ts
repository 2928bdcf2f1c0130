import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ServerClock } from './server-clock';

const START = Date.parse('2026-11-21T12:00:00Z');
/** Of the monotonic clock against the server's. */
const GAIN = 400e-6;

/** Answers of a server whose time is known to the test, each after a while and with a trip there and back. */
const answers = fc.array(
  fc.record({
    afterMs: fc.double({ min: 1, max: 10_000, noNaN: true }),
    thereMs: fc.double({ min: 0, max: 800, noNaN: true }),
    backMs: fc.double({ min: 0, max: 800, noNaN: true }),
    hasDatabaseTime: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
);

describe('the clock of the service', () => {
  it('never takes an instant for passed that has not passed', () => {
    fc.assert(
      fc.property(answers, fc.nat(999), fc.constantFrom(-GAIN, 0, GAIN), (given, phase, gain) => {
        let monotonic = 1_000;
        const clock = new ServerClock(() => monotonic);
        const server = (): number => START + phase + monotonic * (1 + gain);
        for (const { afterMs, thereMs, backMs, hasDatabaseTime } of given) {
          monotonic += afterMs;
          const sentAt = monotonic;
          monotonic += thereMs;
          const time = Math.floor(server());
          monotonic += backMs;
          const trip = { sentAt, receivedAt: monotonic };
          clock.observe(new Date(time).toUTCString(), trip);
          if (hasDatabaseTime) clock.observeDatabase(new Date(time).toISOString(), trip);
          expect(clock.certainly()).toBeLessThanOrEqual(server());
          monotonic += 60_000;
          expect(clock.certainly()).toBeLessThanOrEqual(server());
        }
      }),
    );
  });

  it('is behind by no more than one trip, when it was told the time of the database', () => {
    let monotonic = 0;
    const clock = new ServerClock(() => monotonic);
    clock.observe(new Date(START).toUTCString(), { sentAt: 0, receivedAt: 0 });
    // The clock of the machine that answers is not the one that counts.
    clock.observeDatabase(new Date(START + 5_000).toISOString(), { sentAt: 0, receivedAt: 40 });
    monotonic = 40;
    expect(clock.certainly()).toBe(START + 5_000);
    monotonic = 2_040;
    expect(clock.certainly()).toBe(START + 7_000 - 1);
    expect(clock.now() - clock.certainly()).toBeLessThan(25);
  });

  it('begins anew when the clocks went apart', () => {
    let monotonic = 0;
    const clock = new ServerClock(() => monotonic);
    clock.observeDatabase(new Date(START).toISOString(), { sentAt: 0, receivedAt: 10 });
    monotonic = 1_000;
    clock.observeDatabase(new Date(START + 3_600_000).toISOString(), { sentAt: 990, receivedAt: 1_000 });
    expect(clock.certainly()).toBe(START + 3_600_000);
  });

  it('is known to the second after one answer, and better after several', () => {
    let monotonic = 1_000;
    const clock = new ServerClock(
      () => monotonic,
      () => 0,
    );
    const server = (at: number): number => at + 5_000_400;
    const answer = (): void => {
      const date = new Date(Math.floor(server(monotonic) / 1_000) * 1_000).toUTCString();
      clock.observe(date, { sentAt: monotonic - 5, receivedAt: monotonic + 5 });
    };
    answer();
    expect(Math.abs(clock.now() - server(monotonic))).toBeLessThanOrEqual(510);
    for (monotonic = 2_150; monotonic < 6_000; monotonic += 290) answer();
    expect(Math.abs(clock.now() - server(monotonic))).toBeLessThanOrEqual(150);
  });

  it('follows a clock that was set, and a machine that slept', () => {
    const clock = new ServerClock(
      () => 1_000,
      () => 0,
    );
    clock.observe('Sat, 21 Nov 2026 12:00:00 GMT', { sentAt: 999, receivedAt: 1_000 });
    clock.observe('Sat, 21 Nov 2026 15:00:00 GMT', { sentAt: 999, receivedAt: 1_000 });
    expect(Math.abs(clock.now() - Date.parse('2026-11-21T15:00:00Z'))).toBeLessThanOrEqual(1_000);
  });

  it('takes no notice of what is no date', () => {
    const clock = new ServerClock(
      () => 1_000,
      () => 77,
    );
    clock.observe('soon', { sentAt: 0, receivedAt: 1 });
    expect([clock.isKnown, clock.now()]).toEqual([false, 77]);
  });
});
