import { z } from 'zod';
import { credentialMachine, END_REASONS, grantMachine } from '@app/access';
import { endingTraits, id, instant, nextCursor, page } from '../edge/schemas';

export const grantState = z.enum(grantMachine.states);

export const listGrants = z.strictObject({
  state: z
    .enum([...grantMachine.states, 'live'])
    .optional()
    .describe('`live`: not ended yet.'),
  mine: z.stringbool({ truthy: ['true'], falsy: ['false'], case: 'sensitive' }).default(false),
  ...page,
});

const members = {
  id,
  requestId: id,
  holder: z.object({ id, name: z.string() }),
  entitlement: z.string(),
  state: grantState,
  durationSeconds: z.number().int(),
  activateBy: instant,
  endsAt: instant.describe('The deadline; before it is active, the latest instant at which it may exist.'),
  createdAt: instant,
  activatedAt: instant.nullable(),
  endingAt: instant.nullable().describe('When its end was decided.'),
  endReason: z.enum(END_REASONS).nullable(),
  stuckAt: instant.nullable(),
  endedAt: instant.nullable().describe('When its end was proven.'),
  failure: z.string().nullable(),
  lateMs: z.number().int().nullable().describe('How many milliseconds after the deadline the end was decided.'),
  ending: endingTraits,
  leftovers: z.array(z.object({ what: z.string(), why: z.string() })),
  credential: z
    .object({
      version: z.number().int(),
      state: z.enum(credentialMachine.states),
      pickedUpAt: instant.nullable(),
      pickedUpFrom: z.string().nullable(),
      refusedPickUps: z.number().int().describe('How often somebody came second, to this or an earlier version.'),
    })
    .nullable(),
};

export const grant = z.object(members).meta({ id: 'Grant' });

export const grantLife = z
  .object({
    ...members,
    evidence: z.array(
      z.object({
        kind: z.enum(['issue', 'end', 'proof', 'tidy']),
        at: instant,
        body: z.record(z.string(), z.unknown()),
      }),
    ),
    retry: z
      .object({
        kind: z.enum(['begin', 'end', 'tidy', 'replace']),
        attempts: z.number().int().describe('How often it was tried, or is being tried now.'),
        failure: z
          .string()
          .describe('The code of what went wrong the last time, `<area>.<what_is_wrong>` or `internal`.'),
        nextAt: instant.nullable().describe('When it is tried again; `null` while it is.'),
      })
      .nullable()
      .describe('Work at the target that did not go through yet.'),
    lastAttempt: z
      .object({
        at: instant,
        steps: z.array(z.string()).describe('What was done at the target, in all attempts so far.'),
        checks: z
          .array(z.object({ check: z.string(), verdict: z.enum(['ended', 'alive', 'unknown']), answer: z.string() }))
          .describe('What was looked at and tried in the last one; empty when it did not come to that.'),
      })
      .nullable()
      .describe('What an end that is not proven yet has come to.'),
    asOf: instant.describe("The database's time when this was seen: what the deadline is judged by."),
  })
  .meta({ id: 'GrantLife' });

export const grantPage = z.object({ items: z.array(grant), nextCursor }).meta({ id: 'GrantPage' });

export const pickedUp = z
  .object({
    fields: z.record(z.string(), z.string()).describe('`username`, `password`, `host`, …'),
    environment: z
      .record(z.string(), z.string())
      .describe("What the target's usual client reads: `PGHOST`, `PGUSER`, …"),
    endsAt: instant,
  })
  .meta({ id: 'PickedUpCredential' });
