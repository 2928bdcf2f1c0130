import type { INestApplication } from '@nestjs/common';
import { DiscoveryService, Reflector } from '@nestjs/core';
import type { OpenAPIObject } from '@nestjs/swagger';
import { ruleOf } from '../sign-in/access.guard';
import { limitOf } from './rate-limits';
import { isRepeatable } from './writes';

type Handler = Parameters<typeof ruleOf>[1];
type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;
type Parameter = NonNullable<Operation['parameters']>[number];

const PROBLEM = { $ref: '#/components/responses/Problem' };

const IDEMPOTENCY_KEY: Parameter = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'The same key with the same request gives the same answer, and is done once.',
  schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' },
};

/** How the operations are called among each other: what stands in the document is what stands at the method. */
export const operationId = (controller: string, method: string): string => `${controller}_${method}`;

/** Says of each operation what its decorators say at run time: who may call it, how often, how it is repeated, how it fails. */
export function documentEdges(app: INestApplication, document: OpenAPIObject, problem: object): void {
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, Problem: problem },
    responses: {
      Problem: {
        description: 'A problem, RFC 9457.',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  };
  const handlers = handlersOf(app);
  for (const path of Object.values(document.paths))
    for (const operation of Object.values(path) as Operation[]) {
      const handler = handlers.get(operation.operationId ?? '');
      if (handler) documentEdge(operation, handler);
    }
}

interface Known {
  readonly handler: Handler;
  readonly isPublic: boolean;
}

function documentEdge(operation: Operation, { handler, isPublic }: Known): void {
  if (isPublic) operation.security = [];
  if (isRepeatable(handler)) operation.parameters = [...(operation.parameters ?? []), IDEMPOTENCY_KEY];
  const limit = limitOf(handler);
  operation.responses = {
    400: PROBLEM,
    // Where tokens are fetched, what is shown for them may be refused like a token.
    ...((!isPublic || limit === 'tokens') && { 401: PROBLEM }),
    ...(isRepeatable(handler) && { 409: PROBLEM }),
    ...(limit !== undefined && { 429: PROBLEM }),
    // The rest of what is public needs nobody else to answer.
    ...((!isPublic || limit !== undefined) && { 503: PROBLEM }),
    ...operation.responses,
    default: PROBLEM,
  };
}

function handlersOf(app: INestApplication): Map<string, Known> {
  const reflector = app.get(Reflector);
  const all = app.get(DiscoveryService, { strict: false }).getControllers();
  return new Map(
    all.flatMap(({ metatype, instance }) => {
      if (!metatype) return [];
      const prototype: object = Object.getPrototypeOf(instance) as object;
      return Object.getOwnPropertyNames(prototype).map((name): [string, Known] => {
        const handler = Reflect.get(prototype, name) as Handler;
        const isPublic = ruleOf(reflector, handler, metatype) === 'public';
        return [operationId(metatype.name, name), { handler, isPublic }];
      });
    }),
  );
}
