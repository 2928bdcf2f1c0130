import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { AppError, Secret } from '@app/kernel';

const account = z.strictObject({
  subject: z.string().regex(/^[\x21-\x7e]{1,255}$/),
  name: z.string().min(1).max(200),
  email: z.email(),
  password: z
    .string()
    .min(8)
    .max(200)
    .transform((value) => new Secret(value)),
});

const demoFile = z.object({
  accounts: z
    .array(account)
    .min(1)
    .max(20)
    .refine((all) => new Set(all.map((one) => one.subject)).size === all.length, 'two accounts have one subject'),
});

/** Somebody who can sign in at the embedded provider. */
export type DemoAccount = z.infer<typeof account>;

export class DemoFileInvalid extends AppError {
  constructor(file: string, problem: string) {
    super({
      kind: 'invalid',
      code: 'demo.file_invalid',
      message: `the file of the demo ${problem}`,
      advice: '`npm start` writes it, for its owner alone; `npm run reset` lets it write a new one.',
      details: { file },
    });
  }
}

/** The accounts in `CURFEW_DEMO_FILE`. @throws DemoFileInvalid, which shows no value */
export function readDemoAccounts(file: string): readonly DemoAccount[] {
  const parsed = demoFile.safeParse(contentOf(file));
  if (parsed.success) return parsed.data.accounts;
  const [issue] = parsed.error.issues;
  throw new DemoFileInvalid(file, `is wrong at "${issue?.path.join('.') ?? ''}"`);
}

function contentOf(file: string): unknown {
  try {
    if (statSync(file).mode & 0o077) throw new DemoFileInvalid(file, 'may be read by others');
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    // The foreign error may quote the file, and the file holds passwords.
    throw error instanceof AppError ? error : new DemoFileInvalid(file, 'cannot be read');
  }
}
