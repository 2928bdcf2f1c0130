import type { DynamicModule, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { type OpenMetricsContentType, Registry } from 'prom-client';
import type { DataSource } from 'typeorm';
import { Clock } from '@app/kernel';
import { DatabaseClock } from '@app/platform';
import { HEALTH_CHECKS, HealthController, type HealthCheck } from '@app/platform/http';
import { Bell } from '@app/platform/queue';
import { Timekeeper } from './timekeeper';

/** A timekeeper that has not looked for this long is out of service. */
const SILENT_SECONDS = 3;

export interface TimekeeperParts {
  readonly database: DataSource;
  readonly clock: DatabaseClock;
  readonly bell: Bell;
  readonly metrics: Registry<OpenMetricsContentType>;
  readonly timekeeper: Timekeeper;
}

class TimekeeperModule {}

export function timekeeperModule({ database, clock, bell, metrics, timekeeper }: TimekeeperParts): DynamicModule {
  const checks: HealthCheck[] = [
    {
      name: 'deadlines',
      check: () => {
        const silent = timekeeper.silentSeconds();
        return Promise.resolve({ ok: silent < SILENT_SECONDS, detail: `last looked ${silent.toFixed(1)} s ago` });
      },
    },
  ];
  const life: OnApplicationBootstrap & OnApplicationShutdown = {
    onApplicationBootstrap: () => timekeeper.start(),
    onApplicationShutdown: async () => {
      await timekeeper.stop();
      await bell.close();
      clock.stop();
      await database.destroy();
    },
  };
  return {
    module: TimekeeperModule,
    controllers: [HealthController],
    providers: [
      { provide: HEALTH_CHECKS, useValue: checks },
      { provide: Registry, useValue: metrics },
      { provide: Clock, useValue: clock },
      { provide: 'life', useValue: life },
    ],
  };
}
