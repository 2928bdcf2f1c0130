import { z } from 'zod';

/** As text: an id is one, and may be no number at all when it is judged. */
const MAX_BIGINT = '9223372036854775807';

/** A bigint. */
const eventId = z
  .string()
  .regex(/^[1-9][0-9]{0,18}$/)
  .refine((text) => text.length < MAX_BIGINT.length || text <= MAX_BIGINT, 'the id of an event');

export const listEvents = z.strictObject({
  before: eventId.optional().describe('Events before this one, newest first: the next page.'),
  after: eventId.optional().describe('Events after this one, oldest first: what a tail asks for.'),
  subject: z.uuid().optional().describe('Of one grant, request, target, …'),
  actor: z.string().max(100).optional(),
  correlation: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
});

export const event = z
  .object({
    id: z.string(),
    leafHash: z.string(),
    members: z.record(z.string(), z.string()).describe('The canonical members of the leaf.'),
    opened: z.record(z.string(), z.string()).describe('What commitments among them stand for; absent when erased.'),
  })
  .meta({ id: 'AuditEvent' });

export const eventList = z.object({ items: z.array(event) }).meta({ id: 'AuditEventList' });
