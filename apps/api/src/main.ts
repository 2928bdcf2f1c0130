import 'reflect-metadata';
import {
  apiEnvironment,
  armFailpoints,
  createLogger,
  readEnvironment,
  starting,
  type ApiEnvironment,
} from '@app/platform';
import { serve } from '@app/platform/http';
import { appModule } from './app.module';
import { mountEmbeddedProvider } from './demo/demo.module';
import { serveOpenApi } from './openapi';

await starting('api', async () => {
  const environment = readEnvironment(apiEnvironment);
  armFailpoints(environment.CURFEW_FAILPOINTS);

  await serve({
    module: appModule(environment),
    log: createLogger('api', environment.LOG_LEVEL),
    host: environment.HOST,
    port: environment.PORT,
    trustedProxies: environment.TRUSTED_PROXIES ?? [],
    certificate: certificateOf(environment),
    prepare: (app) => {
      mountEmbeddedProvider(app);
      serveOpenApi(app);
    },
  });
});

/** Both files or none: the environment says so. */
function certificateOf({ TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile }: ApiEnvironment) {
  return certFile !== undefined && keyFile !== undefined ? { certFile, keyFile } : undefined;
}
