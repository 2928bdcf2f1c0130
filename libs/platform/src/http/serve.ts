import { Server as SecureServer } from 'node:https';
import { isIPv6 } from 'node:net';
import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Logger } from 'pino';
import { onStop, reportReady } from '../lifecycle';
import { BoundedInput } from './bounded-input';
import { Certificate, type CertificateFiles, type Pem } from './certificate';
import { correlation } from './correlation';
import { NothingUnasked } from './nothing-unasked';
import { ProblemFilter } from './problem.filter';
import { inputValidation } from './validation';

export interface ServeOptions {
  readonly module: Type | DynamicModule;
  readonly log: Logger;
  readonly host: string;
  readonly port: number;
  /** Addresses and CIDRs of the proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies?: readonly string[];
  /** Without it, plain HTTP. */
  readonly certificate?: CertificateFiles | undefined;
  /** Before it listens: what else this process serves. */
  readonly prepare?: (app: NestExpressApplication) => Promise<void> | void;
}

/** No body of ours is larger; a target's file with 100 entitlements is a tenth of it. */
const MAX_BODY = '256kb';

/** Starts a process: its HTTP edge, its ways to end, and the word to its starter that it is ready. */
export async function serve(options: ServeOptions): Promise<NestExpressApplication> {
  const { log, host, port, certificate: files } = options;
  const certificate =
    files && new Certificate(files, (error) => log.error({ err: error }, 'the certificate was not renewed'));
  const app = await createEdge(options, certificate?.pem);
  await app.listen(port, host);
  const server: unknown = app.getHttpServer();
  const unwatch = server instanceof SecureServer ? certificate?.watch(server) : undefined;
  onStop(() => {
    unwatch?.();
    return app.close();
  });
  const address = app.getHttpServer().address();
  const url = `http${certificate ? 's' : ''}://${isIPv6(host) ? `[${host}]` : host}:${typeof address === 'object' ? address?.port : port}`;
  log.info({ address: url }, 'ready');
  reportReady(url);
  return app;
}

/** What a request of any process goes through, before it listens. */
export async function createEdge(
  { module, log, trustedProxies = [], prepare }: Omit<ServeOptions, 'host' | 'port'>,
  pem?: Pem,
): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(module, {
    bodyParser: false,
    bufferLogs: false,
    abortOnError: false,
    ...(pem && { httpsOptions: pem }),
    logger: nestLogger(log),
  });
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('trust proxy', [...trustedProxies]);
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
