import { Module } from '@nestjs/common';
import { APP_GUARD, DiscoveryModule, Reflector } from '@nestjs/core';
import { ThrottlerModule } from '@nestjs/throttler';
import { DataSource } from 'typeorm';
import {
  AccessTokens,
  Callers,
  Connections,
  Identities,
  IdentityProvider,
  installationId,
  PendingSignIns,
  SigningKeys,
  SignIns,
  Tokens,
} from '@app/identity';
import { Clock } from '@app/kernel';
import { Sealer, type ApiEnvironment } from '@app/platform';
import { DemoModule, EMBEDDED_PROVIDER } from '../demo/demo.module';
import type { EmbeddedProvider } from '../demo/embedded-provider';
import { RateLimits, rateLimits } from '../edge/rate-limits';
import { API_ENVIRONMENT } from '../environment';
import { AccessGuard } from './access.guard';
import { MeController } from './me.controller';
import { OpenIdProvider } from './open-id-provider';
import { RouteRules } from './route-rules';
import { signInSettings } from './sign-in-settings';
import { SignInsController } from './sign-ins.controller';
import { TokensController } from './tokens.controller';

/**
 * Signing in, and the guard of every route. It takes `DataSource`, `Sealer`, `Clock`, `Recorder`, `Memberships` and the
 * environment from a global module.
 */
@Module({
  imports: [
    DemoModule,
    DiscoveryModule,
    ThrottlerModule.forRootAsync({ inject: [API_ENVIRONMENT], useFactory: rateLimits }),
  ],
  controllers: [SignInsController, TokensController, MeController],
  providers: [
    {
      provide: IdentityProvider,
      inject: [API_ENVIRONMENT, EMBEDDED_PROVIDER, DataSource, Clock],
      useFactory: async (
        environment: ApiEnvironment,
        embedded: EmbeddedProvider | undefined,
        database: DataSource,
        clock: Clock,
      ): Promise<IdentityProvider> => {
        const { connection, client } = signInSettings(environment, embedded);
        return new OpenIdProvider(await new Connections(database).ensure(connection), client, clock);
      },
    },
    {
      provide: AccessTokens,
      inject: [DataSource, Sealer, Clock],
      useFactory: async (database: DataSource, sealer: Sealer, clock: Clock): Promise<AccessTokens> => {
        const keys = new SigningKeys(database, sealer, clock);
        await keys.signing();
        return new AccessTokens(keys, clock, await installationId(database.manager));
      },
    },
    {
      provide: Tokens,
      inject: [DataSource, AccessTokens, API_ENVIRONMENT],
      useFactory: (database: DataSource, accessTokens: AccessTokens, environment: ApiEnvironment) =>
        new Tokens(database, accessTokens, environment.SIGN_IN_MAX_SECONDS),
    },
    {
      provide: SignIns,
      inject: [IdentityProvider, DataSource, Sealer, Tokens],
      useFactory: (provider: IdentityProvider, database: DataSource, sealer: Sealer, tokens: Tokens) =>
        new SignIns(provider, new PendingSignIns(database, sealer), new Identities(database), tokens),
    },
    { provide: Callers, inject: [DataSource], useFactory: (database: DataSource) => new Callers(database) },
    Reflector,
    RouteRules,
    { provide: APP_GUARD, useClass: AccessGuard },
    // After it: what is limited per person counts whom it has recognised.
    { provide: APP_GUARD, useClass: RateLimits },
  ],
  exports: [AccessTokens, Callers, IdentityProvider],
})
export class SignInModule {}
