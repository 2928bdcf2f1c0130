import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { z, type ZodType } from 'zod';
import { documentEdges, operationId } from './edge/documented';
import { problem } from './edge/problem.schema';

const ABOUT = `Access that ends on time: ask, decide, use, end, prove.

On the command line: \`curfew login\`, \`curfew targets list\`, \`curfew request <target>/<entitlement> --for 30m --reason …\`.

What is written takes an \`Idempotency-Key\`, but the pick-up of a credential. Errors are problems (RFC 9457). Durations are whole
seconds, times are RFC 3339 in UTC with milliseconds. What you may not see does not exist: 404.`;

/** OpenAPI 3.1 from the schemas that validate: `/openapi.json`, and a page to browse it at `/docs`. */
export function serveOpenApi(app: NestExpressApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Curfew')
    .setDescription(ABOUT)
    .setVersion('v1')
    .addBearerAuth()
    .addSecurityRequirements('bearer')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: operationId,
    standardSchemaConverter: (schema: unknown, { schemaType }: { schemaType: 'input' | 'output' }) =>
      convert(schema, schemaType),
  });
  documentEdges(app, document, convert(problem, 'output').schema);
  SwaggerModule.setup('docs', app, document, { jsonDocumentUrl: 'openapi.json', raw: ['json'] });
  return document;
}

/** JSON Schema 2020-12, which is what OpenAPI 3.1 takes. */
function convert(schema: unknown, io: 'input' | 'output') {
  const { $defs, $schema: _, ...converted } = z.toJSONSchema(schema as ZodType, { io, unrepresentable: 'any' });
  return { schema: converted, components: $defs ?? {} };
}
