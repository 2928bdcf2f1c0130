import { z, type ZodError } from 'zod';
import { AppError, NAME, NAME_WORDS } from '@app/kernel';
import { ProviderRegistry } from '@app/providers';

const name = z.string().regex(NAME, NAME_WORDS);

/** By their names. As they were written: a record of zod's passes over a member called `__proto__`. */
const entitlements = z
  .custom<Record<string, unknown>>(
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
    'a map from the name of each entitlement to what it is',
  )
  .superRefine((named, context) => {
    const names = Object.keys(named);
    for (const wrong of names.filter((each) => !NAME.test(each)))
      context.addIssue({ code: 'custom', path: [wrong], message: NAME_WORDS });
    if (names.length < 1 || names.length > 100)
      context.addIssue({ code: 'custom', message: 'from 1 to 100 entitlements' });
  });

/** What a target's file holds, whatever its kind. */
const targetFile = z.strictObject({
  name,
  kind: z.string(),
  owner: z
    .string()
    .transform((text) => /^Group::"([^"]*)"$/.exec(text)?.[1] ?? text)
    .pipe(name),
  connection: z.unknown(),
  entitlements,
});

const jsonObject = z.record(z.string(), z.unknown());

export interface ParsedTarget {
  readonly name: string;
  readonly kind: string;
  /** The name of the owning group. */
  readonly owner: string;
  readonly connection: object;
  readonly entitlements: Readonly<Record<string, object>>;
}

export class InvalidTargetFile extends AppError {
  constructor(problems: readonly { path: string; problem: string }[]) {
    super({
      kind: 'invalid',
      code: 'access.invalid_target_file',
      message: 'the target is not described right',
      advice: problems.map(({ path, problem }) => `${path || 'the file'}: ${problem}`).join('; '),
      details: { problems },
    });
  }
}

/** Reads what a person wrote: the general part here, the rest by the provider that knows the kind. @throws InvalidTargetFile */
export function parseTargetFile(providers: ProviderRegistry, file: unknown): ParsedTarget {
  const general = targetFile.safeParse(file);
  if (!general.success) throw new InvalidTargetFile(problemsOf(general.error, []));
  const { data } = general;
  const provider = providers.get(data.kind);
  const connection = provider.connection.pipe(jsonObject).safeParse(data.connection);
  const entitlements = Object.entries(data.entitlements).map(
    ([entitlement, config]) => [entitlement, provider.entitlement.pipe(jsonObject).safeParse(config)] as const,
  );
  const problems = [
    ...(connection.success ? [] : problemsOf(connection.error, ['connection'])),
    ...entitlements.flatMap(([entitlement, config]) =>
      config.success ? [] : problemsOf(config.error, ['entitlements', entitlement]),
    ),
  ];
  if (problems.length > 0 || !connection.success) throw new InvalidTargetFile(problems);
  return {
    ...data,
    connection: connection.data,
    entitlements: Object.fromEntries(
      entitlements.flatMap(([entitlement, config]) => (config.success ? [[entitlement, config.data]] : [])),
    ),
  };
}

function problemsOf(error: ZodError, parents: readonly string[]): { path: string; problem: string }[] {
  return error.issues.map((issue) => ({
    path: [...parents, ...issue.path.map(String)].join('.'),
    problem: issue.message,
  }));
}
