import { Module } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { VitalSigns } from '@app/access';
import { Operations } from '@app/platform';
import { HEALTH_CHECKS, HealthController, takesChanges, type HealthCheck } from '@app/platform/http';
import { AccessModule } from './access/access.module';

/** An operation that waits this long says that no worker is at work. */
const WAITING_SECONDS = 10;

@Module({
  imports: [AccessModule],
  controllers: [HealthController],
  providers: [
    {
      provide: HEALTH_CHECKS,
      inject: [DataSource, VitalSigns, Operations],
      useFactory: (database: DataSource, signs: VitalSigns, operations: Operations): HealthCheck[] => [
        { name: 'database', check: () => takesChanges(database) },
        {
          name: 'policies',
          check: async () => {
            const rows = await database.query<unknown[]>(`SELECT FROM policy_sets WHERE state = 'applied'`);
            return rows.length > 0 ? { ok: true } : { ok: false, detail: 'no policies have been applied' };
          },
        },
        {
          name: 'grants',
          check: async () => {
            const { grants, stuckSince } = await signs.read();
            if (!stuckSince) return { ok: true };
            return {
              ok: true,
              warning: true,
              detail: `${grants.stuck} stuck: docs/runbook.md`,
              since: stuckSince.toISOString(),
            };
          },
        },
        {
          name: 'strays',
          check: async () => {
            const { count, targets, since } = await signs.strays();
            if (!since) return { ok: true };
            const detail = `${count} at ${targets.join(', ')}: docs/runbook.md`;
            return { ok: true, warning: true, detail, since: since.toISOString() };
          },
        },
        {
          name: 'operations',
          check: async () => {
            const waiting = await operations.oldestSeconds();
            if (waiting < WAITING_SECONDS) return { ok: true };
            return { ok: true, warning: true, detail: `the oldest has waited ${waiting.toFixed(0)} s for a worker` };
          },
        },
      ],
    },
  ],
})
export class HealthModule {}
