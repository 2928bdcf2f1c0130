import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pages } from '../../scripts/docs/pages';

const root = resolve(import.meta.dirname, '../..');
const generated = await pages(root);

describe('a generated page', () => {
  it.each([...generated])('%s says what the code says (npm run docs)', (path, text) => {
    expect(readFileSync(join(root, path), 'utf8')).toBe(text);
  });
});

/** Prose only: what is in a block of code is no link. */
const prose = (file: string): string => readFileSync(file, 'utf8').replaceAll(/^ *(```|~~~)[^]*?^ *\1/gm, '');

/** The anchors that a reader's browser makes of the headings. */
const anchors = (file: string): string[] =>
  [...prose(file).matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- _]/gu, '')
      .replaceAll(' ', '-'),
  );

const documents = globSync('**/*.md', {
  cwd: root,
  exclude: (path) => /(^|\/)(node_modules|dist|coverage|\..+)$/.test(path),
}).map((file) => join(root, file));

describe('the documents', () => {
  it('link to files and headings that are there', () => {
    const broken = documents.flatMap((file) =>
      [...prose(file).matchAll(/\]\(([^)\s]+)\)/g)].flatMap((match) => {
        const [path = '', anchor] = (match[1] ?? '').split('#');
        if (/^[a-z]+:/.test(path)) return [];
        const target = path === '' ? file : join(dirname(file), decodeURI(path));
        const isThere = existsSync(target) && (anchor === undefined || anchors(target).includes(anchor));
        return isThere ? [] : [`${file.slice(root.length + 1)}: ${match[1]}`];
      }),
    );
    expect(broken).toEqual([]);
  });

  it.each(['README.md', 'docs/reliability.md'])('name tests that exist: %s', (document) => {
    // [`file`](file) › _name of the test_
    const named = [...prose(join(root, document)).matchAll(/\]\(([^)]+\.ts)\)\s+›\s+_([^_]+)_/g)];
    expect(named.length).toBeGreaterThan(15);
    const plain = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll('( ', '(');
    const unknown = named.filter(([, file = '', name = '']) => {
      const source = plain(readFileSync(join(root, dirname(document), file), 'utf8'));
      return !["'", '"', '`'].some((quote) => source.includes(`(${quote}${plain(name)}${quote}, `));
    });
    expect(unknown.map(([, file, name]) => `${file} › ${name}`)).toEqual([]);
  });

  it('name every check and every metric in the runbook', () => {
    const runbook = readFileSync(join(root, 'docs/runbook.md'), 'utf8');
    const sources = globSync('apps/*/src/**/*.ts', { cwd: root }).map((file) => readFileSync(join(root, file), 'utf8'));
    const found = (pattern: RegExp): string[] =>
      sources.flatMap((source) => [...source.matchAll(pattern)].map((match) => match[1] ?? ''));
    const metrics = found(/name: '(curfew_\w+)'/g);
    const checks = found(/name: '(\w+)',\s+(?:\/\/.*\s+)?check:/g);
    expect({ metrics: metrics.length, checks: checks.length }).toEqual({ metrics: 8, checks: 13 });
    expect(metrics.filter((name) => !runbook.includes(`| \`${name}\``))).toEqual([]);
    expect(checks.filter((name) => !runbook.includes(`### \`${name}\` (`))).toEqual([]);
  });

  it('name every decision in their index', () => {
    const index = readFileSync(join(root, 'docs/README.md'), 'utf8');
    const decisions = globSync('docs/decisions/*.md', { cwd: root }).map((file) => file.replace('docs/', ''));
    expect(decisions.length).toBeGreaterThan(0);
    expect(decisions.filter((file) => !index.includes(`(${file})`))).toEqual([]);
  });
});
