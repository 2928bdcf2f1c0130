import { z } from 'zod';
import { requestMachine, VERDICTS } from '@app/access';
import {
  durationSeconds,
  endingTraits,
  entitlementName,
  freeText,
  id,
  instant,
  nextCursor,
  page,
} from '../edge/schemas';

export const requestState = z.enum(requestMachine.states);

export const openRequest = z.strictObject({
  entitlements: z.array(entitlementName).min(1).max(10).describe('Decided as a whole.'),
  durationSeconds,
  reason: freeText(2_000).describe('Why. Kept sealed; the record holds a commitment to it.'),
});

export const listRequests = z.strictObject({
  state: requestState.optional(),
  box: z
    .enum(['mine', 'inbox'])
    .optional()
    .describe('`mine`: asked by me. `inbox`: pending, mine to decide, and not decided by me yet.'),
  ...page,
});

export const decide = z.strictObject({
  verdict: z.enum(VERDICTS),
  scopeHash: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'the scopeHash of the request, as it was shown')
    .describe('What the verdict is about: `scopeHash` of the request as it was shown.'),
});

const person = z.object({ id, name: z.string() });

export const request = z
  .object({
    id,
    state: requestState,
    requester: person,
    entitlements: z.array(z.string()),
    durationSeconds: z.number().int(),
    reason: z.string().nullable(),
    scopeHash: z.string(),
    policyVersion: z.string(),
    createdAt: instant,
    lapsesAt: instant,
    decidedAt: instant.nullable(),
    paths: z.array(
      z.object({
        entitlement: z.string(),
        policy: z.string(),
        approvalsNeeded: z.number().int(),
        approverGroup: z.string().nullable(),
      }),
    ),
    decisions: z.array(
      z.object({ by: person.nullable(), verdict: z.enum(VERDICTS), at: instant, policies: z.array(z.string()) }),
    ),
    grants: z.array(z.object({ id, state: z.string(), entitlement: z.string() })),
    endings: z.record(z.string(), endingTraits).describe("How each target ends access, by the target's name."),
  })
  .meta({ id: 'Request' });

export const requestPage = z.object({ items: z.array(request), nextCursor }).meta({ id: 'RequestPage' });
