import { Logger, Module } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DataSource } from 'typeorm';
import { installationId } from '@app/identity';
import type { ApiEnvironment } from '@app/platform';
import { API_ENVIRONMENT } from '../environment';
import { wantsEmbeddedProvider } from '../sign-in/sign-in-settings';
import { DemoAccounts } from './demo-accounts';
import { DemoFileInvalid, readDemoAccounts } from './demo-file';
import { createEmbeddedProvider, type EmbeddedProvider } from './embedded-provider';

/** The token of the embedded provider; `undefined` where there is none. */
export const EMBEDDED_PROVIDER = Symbol('embedded OpenID provider');

@Module({
  providers: [
    {
      provide: EMBEDDED_PROVIDER,
      inject: [API_ENVIRONMENT, DataSource],
      useFactory: async (environment: ApiEnvironment, database: DataSource): Promise<EmbeddedProvider | undefined> => {
        if (!wantsEmbeddedProvider(environment)) return undefined;
        const { CURFEW_DEMO_FILE: file, PUBLIC_URL } = environment;
        if (file === undefined) throw new DemoFileInvalid('CURFEW_DEMO_FILE', 'is not named');
        return createEmbeddedProvider({
          issuer: `${PUBLIC_URL.replace(/\/+$/, '')}/oidc`,
          installation: await installationId(database.manager),
          accounts: new DemoAccounts(readDemoAccounts(file)),
          onError: logged,
        });
      },
    },
  ],
  exports: [EMBEDDED_PROVIDER],
})
export class DemoModule {}

/** Serves the embedded provider, where there is one, under the path of its issuer. Before any parser of form bodies. */
export function mountEmbeddedProvider(app: NestExpressApplication): void {
  const embedded = app.get<EmbeddedProvider | undefined>(EMBEDDED_PROVIDER, { strict: false });
  if (embedded) app.use(new URL(embedded.issuer).pathname, embedded.provider.callback());
}

const log = new Logger('embedded provider');

function logged(error: unknown): void {
  log.error(error instanceof Error ? `${error.name}: ${error.message}` : 'not an error object');
}
