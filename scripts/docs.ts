import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runScript } from './script.ts';

// `npm run docs`: the pages that say what the code says (test/schema/docs.spec.ts fails when they are stale).
//
// Node runs these sources as they are, but for two things that the bundler knows and it does not: the aliases of
// tsconfig.json, and names of files without their ending.
const root = resolve(import.meta.dirname, '..');

registerHooks({
  resolve(specifier, context, next) {
    const library = /^@app\/([a-z]+)$/.exec(specifier)?.[1];
    if (library) return next(pathToFileURL(join(root, 'libs', library, 'src', 'index.ts')).href, context);
    const isOurs = specifier.startsWith('.') && !context.parentURL?.includes('/node_modules/');
    return next(isOurs && !specifier.endsWith('.ts') ? `${specifier}.ts` : specifier, context);
  },
});

await runScript({ usage: 'npm run docs              writes the generated documents anew' }, async (terminal) => {
  const { pages } = await import('./docs/pages.ts');
  for (const [path, text] of await pages(root)) {
    writeFileSync(join(root, path), text);
    terminal.done(path);
  }
  return 0;
});
