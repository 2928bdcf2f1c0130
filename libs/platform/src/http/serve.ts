import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Logger } from 'pino';
import { onStop, reportReady } from '../lifecycle';
import { BoundedInput } from './bounded-input';
import { correlation } from './correlation';
import { NothingUnasked } from './nothing-unasked';
import { ProblemFilter } from './problem.filter';
import { inputValidation } from './validation';

export interface ServeOptions {
  readonly module: Type | DynamicModule;
  readonly log: Logger;
  readonly host: string;
  readonly port: number;
  /** Before it listens: what else this process serves. */
  readonly prepare?: (app: NestExpressApplication) => Promise<void> | void;
}

/** No body of ours is larger; a target's file with 100 entitlements is a tenth of it. */
const MAX_BODY = '256kb';

/** Starts a process: its HTTP edge, its ways to end, and the word to its starter that it is ready. */
export async function serve(options: ServeOptions): Promise<NestExpressApplication> {
  const { log, host, port } = options;
  const app = await createEdge(options);
  await app.listen(port, host);
  onStop(() => app.close());
  const address = app.getHttpServer().address();
  const url = `http://${host}:${typeof address === 'object' ? address?.port : port}`;
  log.info({ address: url }, 'ready');
  reportReady(url);
  return app;
}

/** What a request of any process goes through, before it listens. */
export async function createEdge({
  module,
  log,
  prepare,
}: Pick<ServeOptions, 'module' | 'log' | 'prepare'>): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(module, {
    bodyParser: false,
    bufferLogs: false,
    abortOnError: false,
    logger: nestLogger(log),
  });
  app.disable('x-powered-by');
  app.set('etag', false);
  app.use(correlation(log));
  app.useBodyParser('json', { limit: MAX_BODY, strict: true });
  app.useGlobalPipes(inputValidation());
  app.useGlobalInterceptors(new BoundedInput(), new NothingUnasked());
  app.useGlobalFilters(new ProblemFilter(log));
  await prepare?.(app);
  return app;
}

/** Nest's own words, only when something is wrong. */
function nestLogger(log: Logger) {
  return {
    log: () => undefined,
    error: (message: unknown, ...rest: unknown[]) => log.error({ rest: rest.map(String) }, String(message)),
    warn: (message: unknown) => log.warn(String(message)),
    debug: () => undefined,
    verbose: () => undefined,
    fatal: (message: unknown) => log.fatal(String(message)),
  };
}
