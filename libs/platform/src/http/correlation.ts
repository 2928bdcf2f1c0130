import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, Response } from 'express';
import type { Logger } from 'pino';
import { correlated } from '../log';

/** Gives each request an id of ours, which goes into the log, the record, the operation and the reply, and logs the request. */
export function correlation(log: Logger) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const id = randomUUID();
    const startedAt = performance.now();
    // Without its query, which may hold what somebody looked for; and before a mounted handler shortens it.
    const { path } = request;
    response.setHeader('X-Request-Id', id);
    correlated(id, () => {
      response.once('finish', () => {
        const milliseconds = Math.round((performance.now() - startedAt) * 10) / 10;
        // A path that leads nowhere may be anything: a token that somebody pasted to the wrong place.
        const isKnown = response.statusCode !== 404 || request.route !== undefined;
        const where = isKnown ? { path } : {};
        log.info(
          { correlation: id, method: request.method, ...where, status: response.statusCode, milliseconds },
          'request',
        );
      });
      next();
    });
  };
}
