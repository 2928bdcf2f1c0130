import { z } from 'zod';

export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.string().describe('Stable, `<area>.<what_is_wrong>`.'),
    detail: z.string().optional().describe('What to do next.'),
    requestId: z.string().describe('The id that is in the log and in the record.'),
    details: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'Problem' });
