import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import type { Request } from 'express';
import { InvalidInput } from './validation';

/** Schemas refuse unknown keys; where a route takes no query or no body at all, this does. Nobody wishes unheard. */
export class NothingUnasked implements NestInterceptor {
  intercept(execution: ExecutionContext, next: CallHandler): ReturnType<CallHandler['handle']> {
    const taken = takenBy(execution);
    const request = execution.switchToHttp().getRequest<Request>();
    const problems = [
      ...(taken.has(RouteParamtypes.QUERY) ? [] : unknown(Object.keys(request.query))),
      ...(taken.has(RouteParamtypes.BODY) ? [] : unwantedBody(request)),
    ];
    if (problems.length > 0) throw new InvalidInput(problems);
    return next.handle();
  }
}

const unknown = (keys: readonly string[]) =>
  keys.slice(0, 20).map((key) => ({ path: '', problem: `Unrecognized key: "${key.slice(0, 100)}"` }));

/** An empty object is as good as nothing. */
function unwantedBody({ body, headers }: Request): { path: string; problem: string }[] {
  const content: unknown = body;
  if (content === undefined) {
    const sent = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
    return sent ? [{ path: '', problem: 'nothing is taken here but JSON, and no member of it' }] : [];
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    return [{ path: '', problem: 'no body is taken here' }];
  return unknown(Object.keys(content));
}

/** Which parts of a request the handler declares to take: `<kind>:<index>` in Nest's metadata. */
function takenBy(execution: ExecutionContext): ReadonlySet<number> {
  const declared: unknown = Reflect.getMetadata(ROUTE_ARGS_METADATA, execution.getClass(), execution.getHandler().name);
  return new Set(Object.keys(declared ?? {}).map((key) => Number(key.split(':')[0])));
}
