import { Module } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { VitalSigns } from '@app/access';
import { IdentityProvider } from '@app/identity';
import { Operations } from '@app/platform';
import { HEALTH_CHECKS, HealthController, takesChanges, type CheckResult, type HealthCheck } from '@app/platform/http';
import { Bell } from '@app/platform/queue';
import { AccessModule } from './access/access.module';
import { ProviderWatch } from './sign-in/provider-watch';
import { SignInModule } from './sign-in/sign-in.module';

/** An operation that waits this long says that no worker is at work. */
const WAITING_SECONDS = 10;
/** A deadline that is over for this long says that no timekeeper is at work: one looks ten times a second. */
const OVERDUE_SECONDS = 2;

const FINE: CheckResult = { ok: true };
/** The process can serve; somebody should look all the same. */
const warning = (detail: string, since?: Date): CheckResult => ({
  ok: true,
  warning: true,
  detail,
  ...(since && { since: since.toISOString() }),
});

/** Of this process: without them it serves nobody. */
const ownChecks = (database: DataSource): HealthCheck[] => [
  { name: 'database', check: () => takesChanges(database) },
  {
    name: 'policies',
    check: async () => {
      const rows = await database.query<unknown[]>(`SELECT FROM policy_sets WHERE state = 'applied'`);
      return rows.length > 0 ? FINE : { ok: false, detail: 'no policies have been applied' };
    },
  },
];

/**
 * Of the whole, as the database shows it: also when the process that would say so does not run. Whoever can reach us may
 * read it: numbers and times, and no names.
 */
const sharedChecks = (signs: VitalSigns, operations: Operations): HealthCheck[] => [
  {
    name: 'deadlines',
    check: async () => {
      const overdue = await signs.overdue();
      if (!overdue || overdue.seconds < OVERDUE_SECONDS) return FINE;
      const detail = `the oldest has been over for ${overdue.seconds.toFixed(0)} s, and nobody ends it: docs/runbook.md`;
      return warning(detail, overdue.since);
    },
  },
  {
    name: 'grants',
    check: async () => {
      const { grants, stuckSince } = await signs.read();
      return stuckSince ? warning(`${grants.stuck} stuck: docs/runbook.md`, stuckSince) : FINE;
    },
  },
  {
    name: 'strays',
    check: async () => {
      const { count, targets, since } = await signs.strays();
      const places = targets === 1 ? 'one target' : `${targets} targets`;
      return since ? warning(`${count} at ${places}: docs/runbook.md`, since) : FINE;
    },
  },
  {
    name: 'leftovers',
    check: async () => {
      const { count, since } = await signs.leftovers();
      const grants = count === 1 ? 'one grant' : `${count} grants`;
      return since ? warning(`of ${grants}, for somebody to look through: docs/runbook.md`, since) : FINE;
    },
  },
  {
    name: 'operations',
    check: async () => {
      const waiting = await operations.oldestSeconds();
      return waiting < WAITING_SECONDS ? FINE : warning(`the oldest has waited ${waiting.toFixed(0)} s for a worker`);
    },
  },
];

/** Of what this process speaks to. */
const peerChecks = (bell: Bell, provider: ProviderWatch): HealthCheck[] => [
  {
    name: 'queue',
    // Without it the workers find the work by themselves: slower, and complete.
    check: async () => ((await bell.isHeard()) ? FINE : warning('the queue does not answer')),
  },
  {
    name: 'identity_provider',
    // Whoever is signed in stays so.
    check: async () =>
      (await provider.answers()) ? FINE : warning('the identity provider does not answer: nobody can sign in'),
  },
];

@Module({
  imports: [AccessModule, SignInModule],
  controllers: [HealthController],
  providers: [
    {
      provide: ProviderWatch,
      inject: [IdentityProvider],
      useFactory: (provider: IdentityProvider) => new ProviderWatch(provider),
    },
    {
      provide: HEALTH_CHECKS,
      inject: [DataSource, VitalSigns, Operations, Bell, ProviderWatch],
      useFactory: (
        database: DataSource,
        signs: VitalSigns,
        operations: Operations,
        ...peers: [Bell, ProviderWatch]
      ): HealthCheck[] => [...ownChecks(database), ...sharedChecks(signs, operations), ...peerChecks(...peers)],
    },
  ],
})
export class HealthModule {}
