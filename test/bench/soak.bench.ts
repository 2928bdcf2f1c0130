import { randomInt } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { APPS } from '../../scripts/clone';
import { DatabaseSession } from '../../scripts/demo/database-session';
import { ticks, waitFor } from '../../scripts/waiting';
import { broken, type Asked } from '../support/oracle';
import { Asker, FREE_POLICY } from './asker';
import { report, say } from './figures';
import { BenchStage } from './stage';
import { slope, growth, type Sample } from './slope';
import { diskOf, pss, treeOf } from './tree';

const MINUTES = Number(process.env['CURFEW_BENCH_MINUTES'] ?? 60);
const PER_SECOND = Number(process.env['CURFEW_BENCH_PER_SECOND'] ?? 20);
const SECONDS = { least: 10, most: 60 };
/** Every so many are picked up; every so many of those log in and stay until they are thrown out. */
const PICKED_UP_EVERY = 4;
const IN_USE_EVERY = 5;
const KILL_EVERY_MS = 30_000;
const SAMPLE_EVERY_MS = 10_000;
/** A process that was killed is replaced and has finished what the other had begun (DESIGN §3, 7). */
const GRACE_MS = 10_000;
const REST_MS = 600_000;

describe('an hour of it', () => {
  const policies = mkdtempSync(join(tmpdir(), 'curfew-bench-policies-'));
  let stage: BenchStage;
  let ada: Asker;
  beforeAll(async () => {
    cpSync(resolve(import.meta.dirname, '../../policies'), policies, { recursive: true });
    writeFileSync(join(policies, 'bench.cedar'), FREE_POLICY);
    stage = await BenchStage.begin('PostgreSQL', { POLICY_DIR: policies }, { commitTimes: false });
    ada = new Asker(stage.service, 'ada');
    await ada.signIn();
  });
  afterAll(async () => {
    ada?.close();
    await stage?.end();
    rmSync(policies, { recursive: true, force: true });
  });

  it(
    'breaks nothing, and grows by nothing but the record',
    async () => {
      const over = new AbortController();
      const begunAt = ticks();
      const counted = { asked: 0, refused: 0, sessions: 0, cutLate: 0, kills: 0 };
      const late: string[] = [];
      const reasons = new Map<string, number>();
      const samples: Sample[] = [];
      const every = async (milliseconds: number, act: () => Promise<void> | void): Promise<void> => {
        for (let next = ticks() + milliseconds; !over.signal.aborted; next += milliseconds) {
          await pause(Math.max(0, next - ticks()), undefined, { signal: over.signal }).catch(() => undefined);
          if (!over.signal.aborted) await act();
        }
      };

      const one = async (): Promise<void> => {
        const number = (counted.asked += 1);
        const id = await ada.ask(randomInt(SECONDS.least, SECONDS.most));
        if (number % PICKED_UP_EVERY !== 0) return;
        const login = await ada.inHand(id, 60_000);
        if (number % (PICKED_UP_EVERY * IN_USE_EVERY) !== 0) return;
        const session = await DatabaseSession.open(login);
        counted.sessions += 1;
        void session.cut;
      };
      const kill = (): void => {
        const name = APPS[randomInt(APPS.length)]!;
        if (stage.service.run.processes[name]?.pid === undefined) return;
        stage.service.kill(name);
        counted.kills += 1;
      };
      const sample = async (): Promise<void> => {
        const [row] = (await asking(stage.database).query(
          `SELECT (SELECT count(*)::int FROM grants) AS grants, pg_database_size('curfew')::float8 / 1048576 AS record,
             (SELECT count(*)::int FROM grants WHERE state IN ('scheduled', 'activating', 'active') AND ends_at < clock_timestamp() - make_interval(secs => ${GRACE_MS / 1_000})) AS late`,
        )) as [{ grants: number; record: number; late: number }];
        if (row.late > 0) late.push(`${row.late} grants were past their deadline for ${GRACE_MS / 1_000} s`);
        const disk = diskOf(stage.service.clone.home);
        const minutes = (ticks() - begunAt) / 60_000;
        const memory = pss(treeOf(stage.service));
        samples.push({ minutes, memory, disk, record: row.record, grants: row.grants });
        say(
          `${minutes.toFixed(1)} of ${MINUTES} min: ${row.grants} grants, ${counted.refused} lost asks, ${counted.kills} kills, ${memory.toFixed(0)} MB, disk ${disk.toFixed(0)} MB`,
        );
      };

      const all = Promise.all([
        every(1_000 / PER_SECOND, () => {
          void one().catch((error: Error) => {
            counted.refused += 1;
            // Without what differs from one to the next: addresses, ids, times.
            const reason = error.message.replaceAll(/[0-9a-f-]{8,}|\d+/g, '…').slice(0, 120);
            reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
          });
        }),
        every(KILL_EVERY_MS, kill),
        every(SAMPLE_EVERY_MS, sample),
        every(SAMPLE_EVERY_MS, () => ada.signIn().catch(() => undefined)),
      ]);
      await pause(MINUTES * 60_000);
      over.abort();
      await all;

      const isOver = async () => {
        const { rows } = await stage.database.query<{ n: number }>(
          `SELECT count(*)::int AS n FROM grants WHERE state <> 'ended'`,
        );
        return rows[0]!.n === 0 || undefined;
      };
      const rest = await waitFor(isOver, REST_MS, 500);
      const found = [...late, ...(rest ? [] : await left(stage.database)), ...(await oracle(stage))];
      for (const [reason, times] of reasons) say(`${times} times without an answer: ${reason}`);
      for (const each of found.slice(0, 20)) say(`broken: ${each}`);
      const perMinute = slope(samples, 'memory');
      const [recordGrowth, elsewhere] = [
        growth(samples),
        slope(
          samples.map((each) => ({ ...each, other: each.disk - each.record })),
          'other',
        ),
      ];
      const last = samples.at(-1)!;
      report('soak', {
        with: `${MINUTES} minutes, ${PER_SECOND}/s`,
        measured: `${found.length} broken; ${last.grants} grants, ${counted.sessions} sessions, ${counted.kills} kills, ${counted.refused} asks without an answer; memory ${last.memory.toFixed(0)} MB, ${perMinute.toFixed(2)} MB a minute; the record ${(((last.record - samples[0]!.record) * 1_024) / (last.grants - samples[0]!.grants)).toFixed(1)} kB a grant, at the end ${recordGrowth.toFixed(2)} of at the beginning; other files ${elsewhere.toFixed(2)} MB a minute`,
        numbers: {
          broken: found.length,
          memoryPerMinute: perMinute,
          diskGrowth: recordGrowth,
          otherPerMinute: elsewhere,
          ...counted,
        },
      });
      expect(found).toEqual([]);
    },
    (MINUTES + 25) * 60_000,
  );
});

/** What has not come to its end in all that time, and what is waited for. */
async function left(database: Pool): Promise<string[]> {
  const { rows } = await database.query<{ words: string }>(
    `SELECT format('%s grants are %s, work: %s, tried up to %s times, last error: %s', count(*), g.state, o.kind, max(o.attempt), o.last_error) AS words
     FROM grants g LEFT JOIN operations o ON o.subject_id = g.id AND o.finished_at IS NULL
     WHERE g.state <> 'ended' GROUP BY g.state, o.kind, o.last_error`,
  );
  return rows.map(({ words }) => words);
}

/** What is wrong when all has come to rest. */
async function oracle(stage: BenchStage): Promise<string[]> {
  let found: string[] = [];
  const look = async (): Promise<true | undefined> => {
    found = await broken(asking(stage.database), { server: asking(stage.target), graceMs: GRACE_MS });
    return found.length === 0 || undefined;
  };
  await waitFor(look, GRACE_MS, 1_000);
  return found;
}

const asking = (client: Pool): Asked => ({
  query: async (sql, parameters) => (await client.query(sql, parameters)).rows,
});
