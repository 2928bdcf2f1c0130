import 'reflect-metadata';
import { apiEnvironment, createLogger, readEnvironment } from '@app/platform';
import { serve } from '@app/platform/http';
import { appModule } from './app.module';
import { mountEmbeddedProvider } from './demo/demo.module';
import { serveOpenApi } from './openapi';

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
