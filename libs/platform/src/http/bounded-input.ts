import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import type { Request } from 'express';
import { InvalidInput } from './validation';

/** No body of ours is half as deep; what walks over one by recursion is safe with it. */
const MAX_DEPTH = 32;

/**
 * Before any schema: a body is not too deep, and all text in it and in the query, keys too, is text that the database and
 * the record can hold. There is neither NUL in PostgreSQL nor a lone surrogate in RFC 8785. No member is called `__proto__`:
 * zod's records pass over it in silence, and nothing of ours has that name.
 */
export class BoundedInput implements NestInterceptor {
  intercept(execution: ExecutionContext, next: CallHandler): ReturnType<CallHandler['handle']> {
    const { body, query } = execution.switchToHttp().getRequest<Request>();
    const problem = problemIn(body) ?? problemIn(query);
    if (problem !== undefined) throw new InvalidInput([{ path: '', problem }]);
    return next.handle();
  }
}

function problemIn(input: unknown): string | undefined {
  let level = [input];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH) return `no more than ${MAX_DEPTH} levels`;
    const inside = level.filter((value) => typeof value === 'object' && value !== null);
    const keys = inside.flatMap((value) => Object.keys(value));
    if (keys.includes('__proto__')) return 'Unrecognized key: "__proto__"';
    const texts = [...level, ...keys].filter((value) => typeof value === 'string');
    if (texts.some((text) => !text.isWellFormed() || text.includes('\0'))) return 'well-formed text without NUL';
    level = inside.flatMap((value) => Object.values(value) as unknown[]);
  }
  return undefined;
}
