import { z } from 'zod';
import { endingTraits, targetName } from '../edge/schemas';

export const targetParameter = z.strictObject({ name: targetName });

export const putTarget = z.strictObject({
  file: z
    .record(z.string(), z.unknown())
    .describe('What the file of the target holds; docs/providers has a page for each kind.'),
  password: z
    .string()
    .min(1)
    .max(1_000)
    .refine((text) => text.isWellFormed() && !text.includes('\0'), 'text without NUL')
    .describe("The password of Curfew's own account at the target. Sealed at rest, and never shown again."),
});

export const replaceTarget = putTarget.extend({
  moved: z.boolean().default(false).describe('The connection is another one, and the system is the same.'),
});

const approval = z.union([z.literal('none'), z.object({ count: z.number().int(), group: z.string() })]);

export const target = z
  .object({
    id: z.uuid(),
    name: z.string(),
    kind: z.string(),
    owner: z.string(),
    ending: endingTraits,
    entitlements: z.array(
      z.object({
        name: z.string(),
        paths: z.array(
          z.object({
            policy: z.string(),
            description: z.string().optional(),
            approval,
            maxDurationSeconds: z.number().int(),
            pendingForSeconds: z.number().int(),
            needsSignIn: z.boolean(),
            approvers: z
              .object({ count: z.number().int(), group: z.string(), known: z.array(z.string()).optional() })
              .optional(),
          }),
        ),
      }),
    ),
    connection: z.record(z.string(), z.unknown()).nullable(),
  })
  .meta({ id: 'Target' });

export const targetList = z.object({ items: z.array(target) }).meta({ id: 'TargetList' });

export const checkReport = z
  .object({
    ok: z.boolean(),
    version: z.string().optional(),
    findings: z.array(
      z.object({
        kind: z.enum(['missing', 'excess', 'wrong', 'notice']),
        message: z.string(),
        sql: z
          .array(z.string())
          .optional()
          .describe('Statements that mend it. All of a report, run in their order, lock nobody out.'),
        database: z.string().optional().describe('Where they have to be run, when that matters.'),
        remedy: z.string().optional().describe('What would mend it, in words.'),
      }),
    ),
  })
  .meta({ id: 'CheckReport' });
