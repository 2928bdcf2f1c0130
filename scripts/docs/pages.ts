import { format, resolveConfig } from 'prettier';
import { configurationPage } from './configuration.ts';
import { statesPage } from './states.ts';

/** The generated pages, by their path in the repository. */
export async function pages(root: string): Promise<ReadonlyMap<string, string>> {
  const written = { 'docs/configuration.md': configurationPage(root), 'docs/states.md': await statesPage(root) };
  const style = await resolveConfig(`${root}/docs/README.md`);
  return new Map(
    await Promise.all(
      Object.entries(written).map(
        async ([path, text]) => [path, await format(text, { ...style, parser: 'markdown' })] as const,
      ),
    ),
  );
}
