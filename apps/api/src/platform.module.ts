import { Global, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { accessEntities } from '@app/access';
import { Commitments, Recorder } from '@app/audit';
import { Connection, GroupMember, Identity, RefreshToken, SignIn, SigningKey } from '@app/identity';
import { Clock } from '@app/kernel';
import {
  createLogger,
  DatabaseClock,
  LocalKeySealer,
  openDatabase,
  Operations,
  Sealer,
  type ApiEnvironment,
} from '@app/platform';
import { createMetrics } from '@app/platform/http';
import { Bell, BullBell } from '@app/platform/queue';
import { ProviderRegistry, TargetNetworks } from '@app/providers';
import { Reads } from './edge/reads';
import { Writes } from './edge/writes';
import { API_ENVIRONMENT } from './environment';

export const LOGGER = Symbol('logger');

const POOL = 10;

const identityEntities = [Connection, GroupMember, Identity, RefreshToken, SignIn, SigningKey];

/** The outside world, behind its small ports. */
@Global()
@Module({
  providers: [
    {
      provide: LOGGER,
      inject: [API_ENVIRONMENT],
      useFactory: ({ LOG_LEVEL }: ApiEnvironment) => createLogger('api', LOG_LEVEL),
    },
    {
      provide: DataSource,
      inject: [API_ENVIRONMENT, LOGGER],
      useFactory: ({ DATABASE_URL }: ApiEnvironment, log: Logger) =>
        openDatabase({
          url: DATABASE_URL,
          applicationName: 'curfew-api',
          entities: [...accessEntities, ...identityEntities],
          connections: POOL,
          onError: (error) => log.error({ err: error }, 'connection'),
        }),
    },
    {
      provide: Clock,
      inject: [DataSource, LOGGER],
      useFactory: (database: DataSource, log: Logger) =>
        new DatabaseClock(database, (error) => log.error({ err: error }, 'the clock was not refreshed')).start(),
    },
    {
      provide: Sealer,
      inject: [API_ENVIRONMENT],
      useFactory: ({ SEALING_KEY_FILE }: ApiEnvironment) => LocalKeySealer.fromFile(SEALING_KEY_FILE),
    },
    { provide: Commitments, inject: [Sealer], useFactory: (sealer: Sealer) => new Commitments(sealer) },
    {
      provide: Recorder,
      inject: [DataSource, Commitments],
      useFactory: (database: DataSource, commitments: Commitments) => new Recorder(database, commitments),
    },
    {
      provide: Bell,
      inject: [API_ENVIRONMENT, LOGGER],
      useFactory: ({ DATABASE_URL, REDIS_URL }: ApiEnvironment, log: Logger) =>
        new BullBell({
          databaseUrl: DATABASE_URL,
          redisUrl: REDIS_URL,
          onError: (error) => log.error({ err: error }, 'queue'),
        }),
    },
    { provide: Operations, inject: [DataSource], useFactory: (database: DataSource) => new Operations(database) },
    {
      provide: ProviderRegistry,
      inject: [API_ENVIRONMENT],
      useFactory: ({ ALLOWED_TARGET_NETWORKS }: ApiEnvironment) =>
        ProviderRegistry.builtIn(new TargetNetworks(ALLOWED_TARGET_NETWORKS)),
    },
    { provide: Registry, useFactory: () => createMetrics('api') },
    Reads,
    Writes,
  ],
  exports: [
    LOGGER,
    DataSource,
    Clock,
    Sealer,
    Commitments,
    Recorder,
    Bell,
    Operations,
    ProviderRegistry,
    Registry,
    Reads,
    Writes,
  ],
})
export class PlatformModule implements OnApplicationShutdown {
  constructor(
    private readonly database: DataSource,
    private readonly clock: Clock,
    private readonly bell: Bell,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await this.bell.close();
    (this.clock as DatabaseClock).stop();
    await this.database.destroy();
  }
}
