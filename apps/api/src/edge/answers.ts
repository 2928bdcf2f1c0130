import { ApiResponse } from '@nestjs/swagger';
import type { ZodType } from 'zod';

/** What a route answers when all is well. That anything else is a problem, `documented.ts` says of all. */
export function Answers(status: 200 | 201 | 202, schema: ZodType): MethodDecorator {
  return ApiResponse({ status, standardSchema: schema });
}
