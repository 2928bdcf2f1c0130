import type { DynamicModule, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Gauge, type OpenMetricsContentType, Registry } from 'prom-client';
import type { DataSource } from 'typeorm';
import { VitalSigns } from '@app/access';
import { Clock } from '@app/kernel';
import { DatabaseClock, Operations } from '@app/platform';
import { HEALTH_CHECKS, HealthController, takesChanges, type HealthCheck } from '@app/platform/http';
import { BullBell } from '@app/platform/queue';
import { Executor } from './executor';

/** A deadline that is over for this long says that no timekeeper is at work: one looks ten times a second. */
const OVERDUE_SECONDS = 2;
/** Three canaries that did not come through. */
const SILENT_SECONDS = 16;

export interface WorkerParts {
  readonly database: DataSource;
  readonly clock: DatabaseClock;
  readonly bell: BullBell;
  readonly executor: Executor;
  readonly operations: Operations;
  readonly vitalSigns: VitalSigns;
  readonly metrics: Registry<OpenMetricsContentType>;
}

class WorkerModule {}

export function workerModule(parts: WorkerParts): DynamicModule {
  const { database, clock, bell, executor, metrics } = parts;
  watch(parts);
  const life: OnApplicationBootstrap & OnApplicationShutdown = {
    onApplicationBootstrap: () => executor.start(bell),
    onApplicationShutdown: async () => {
      await executor.stop();
      await bell.close();
      clock.stop();
      await database.destroy();
    },
  };
  return {
    module: WorkerModule,
    controllers: [HealthController],
    providers: [
      { provide: HEALTH_CHECKS, useValue: checksOf(parts) },
      { provide: Registry, useValue: metrics },
      { provide: Clock, useValue: clock },
      { provide: 'life', useValue: life },
    ],
  };
}

function checksOf({ database, bell, vitalSigns }: WorkerParts): HealthCheck[] {
  return [
    { name: 'database', check: () => takesChanges(database) },
    {
      name: 'deadlines',
      check: async () => {
        const overdue = await vitalSigns.overdue();
        if (!overdue || overdue.seconds < OVERDUE_SECONDS) return { ok: true };
        const detail = `the oldest has been over for ${overdue.seconds.toFixed(0)} s, and nobody ends it: docs/runbook.md`;
        return { ok: true, warning: true, detail, since: overdue.since.toISOString() };
      },
    },
    {
      name: 'queue',
      // Without the queue the sweep does the work: slower, and complete.
      check: () => {
        const silent = bell.silentSeconds();
        return Promise.resolve({
          ok: true,
          warning: silent > SILENT_SECONDS,
          detail: `last canary ${silent.toFixed(0)} s ago`,
        });
      },
    },
  ];
}

function watch({ metrics, vitalSigns, operations, bell }: WorkerParts): void {
  const registers = [metrics];
  const grants = new Gauge({
    name: 'curfew_grants',
    help: 'Grants that have not ended, by state.',
    labelNames: ['state'],
    registers,
    async collect() {
      const signs = await vitalSigns.read();
      for (const [state, count] of Object.entries(signs.grants)) grants.set({ state }, count);
    },
  });
  const overdue: Gauge = new Gauge({
    name: 'curfew_overdue_seconds',
    help: 'How long the oldest deadline of a grant has been over without its end being decided.',
    registers,
    collect: async () => overdue.set((await vitalSigns.overdue())?.seconds ?? 0),
  });
  const strays: Gauge = new Gauge({
    name: 'curfew_strays',
    help: 'What bears our name at targets, belongs to no grant, and is there still.',
    registers,
    collect: async () => strays.set((await vitalSigns.strays()).count),
  });
  const oldest: Gauge = new Gauge({
    name: 'curfew_oldest_operation_seconds',
    help: 'How long the oldest operation that is due has been waiting to be taken.',
    registers,
    collect: async () => oldest.set(await operations.oldestSeconds()),
  });
  const canary: Gauge = new Gauge({
    name: 'curfew_queue_canary_seconds',
    help: 'How long ago a canary job last came through the queue.',
    registers,
    collect: () => canary.set(bell.silentSeconds()),
  });
}
