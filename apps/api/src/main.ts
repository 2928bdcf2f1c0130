import 'reflect-metadata';
import { apiEnvironment, createLogger, readEnvironment, starting } from '@app/platform';
import { serve } from '@app/platform/http';
import { appModule } from './app.module';
import { mountEmbeddedProvider } from './demo/demo.module';
import { serveOpenApi } from './openapi';

await starting('api', async () => {
  const environment = readEnvironment(apiEnvironment);

  await serve({
    module: appModule(environment),
    log: createLogger('api', environment.LOG_LEVEL),
    host: environment.HOST,
    port: environment.PORT,
    prepare: (app) => {
      mountEmbeddedProvider(app);
      serveOpenApi(app);
    },
  });
});
