import type { DynamicModule, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { type OpenMetricsContentType, Registry } from 'prom-client';
import type { DataSource } from 'typeorm';
import { VitalSigns } from '@app/access';
import { Clock } from '@app/kernel';
import { DatabaseClock, Operations } from '@app/platform';
import { HEALTH_CHECKS, HealthController, takesChanges, type HealthCheck } from '@app/platform/http';
import { BullBell } from '@app/platform/queue';
import { Executor } from './executor';
import { watch } from './watch';

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
  watch(metrics, parts);
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
