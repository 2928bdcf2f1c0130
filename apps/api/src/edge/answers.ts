import { applyDecorators } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import type { ZodType } from 'zod';
import { problem } from './problem.schema';

/** What a route answers when all is well, and that anything else is a problem. */
export function Answers(status: 200 | 201 | 202, schema: ZodType): MethodDecorator {
  return applyDecorators(
    ApiResponse({ status, standardSchema: schema }),
    ApiResponse({ status: 'default', description: 'A problem, RFC 9457.', standardSchema: problem }),
  );
}
