import { z } from 'zod';
import { strayMachine } from '@app/access';
import { id, instant } from '../edge/schemas';

export const confirmStrays = z.strictObject({
  strays: z.array(id).min(1).max(200).describe('The ids of those that shall be removed now.'),
});

export const strays = z
  .object({
    surveyedAt: instant.nullable().describe('When somebody last looked at the target.'),
    items: z.array(
      z.object({
        id,
        name: z.string().describe('What it is called at the target.'),
        grantId: id.describe('The grant whose name it bears. There may be none.'),
        state: z.enum(strayMachine.states),
        foundAt: instant,
        removeAt: instant.describe('When it is removed, unless somebody confirms it earlier.'),
        removedAt: instant.nullable().describe('When it was proven that it is gone.'),
        clearedAt: instant.nullable().describe('When it was seen that there is nothing to remove.'),
        failure: z.string().nullable().describe('The code of what keeps it from being removed.'),
        evidence: z.record(z.string(), z.unknown()).nullable(),
      }),
    ),
  })
  .meta({ id: 'Strays' });
