import { z } from 'zod';
import { durationSeconds, entitlementName } from '../edge/schemas';

const source = z.strictObject({ file: z.string().min(1).max(255), text: z.string().max(65_536) });

export const policyFiles = z.strictObject({ policies: z.array(source).max(100), groups: source });

export const policyCheck = z
  .object({
    ok: z.boolean(),
    version: z.string().optional(),
    problems: z.array(z.object({ file: z.string(), line: z.number().int(), message: z.string() })),
  })
  .meta({ id: 'PolicyCheck' });

export const policyVersion = z
  .object({ version: z.string(), appliedAt: z.iso.datetime() })
  .meta({ id: 'PolicyVersion' });

export const policyReload = z.object({ version: z.string(), changed: z.boolean() }).meta({ id: 'PolicyReload' });

export const explain = z.strictObject({
  entitlement: entitlementName,
  durationSeconds,
  identityId: z.uuid().optional().describe('Somebody else, for those who oversee; yourself otherwise.'),
});

export const explanation = z.looseObject({}).meta({ id: 'PolicyExplanation' });
