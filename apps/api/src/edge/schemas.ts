import { z } from 'zod';
import { ENTITLEMENT_NAME, NAME, NAME_WORDS } from '@app/kernel';

/** What several routes take and give. Unknown keys are refused everywhere. */
export const id = z.uuid();

export const idParameter = z.strictObject({ id });

/** Lower-case letters, digits, `.`, `_` and `-`; the name of a target. */
export const targetName = z.string().regex(NAME, NAME_WORDS);

/** `<target>/<entitlement>` */
export const entitlementName = z.string().max(127).regex(ENTITLEMENT_NAME, 'write <target>/<entitlement>');

/** RFC 3339, UTC, milliseconds. Rows come with dates; they leave as text. */
export const instant = z.iso.datetime({ precision: 3 });

export const page = {
  cursor: z.string().max(200).optional().describe('`nextCursor` of the page before.'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
};

export const nextCursor = z.string().optional();

// What changes the order in which text is shown (UAX #9: embeddings, overrides, isolates), or its lines.
const REORDERS = /[\u202a-\u202e\u2066-\u2069\u2028\u2029]/;

/** Text of a person, read as it is written: no control characters but line breaks, no bidirectional ones, no lone surrogates. */
export const freeText = (max: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(max)
    .refine((text) => text.isWellFormed() && !/[^\P{Cc}\n\r\t]/u.test(text), 'plain text without control characters')
    .refine((text) => !REORDERS.test(text), 'text that is read in the order in which it is written');

/** 366 days: there is no way to ask for ever. */
export const durationSeconds = z.number().int().min(1).max(31_622_400).describe('Whole seconds.');

/** How a target ends access. */
export const endingTraits = z
  .object({
    enforcedBy: z.enum(['target', 'curfew', 'both']).describe('`curfew`: it ends only while Curfew runs.'),
    endsLiveSessions: z.boolean(),
    outlivesBySeconds: z.number(),
  })
  .meta({ id: 'EndingTraits' });
