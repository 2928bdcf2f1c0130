// The bans of the house that no stock rule covers.

/** @param {import('oxlint').Context} context */
const reporter = (context) => (/** @type {any} */ node, /** @type {string} */ message) =>
  context.report({ node, message });

const GLOBALS = new Set(['globalThis', 'global']);

/** The name of a member, however it is written; `undefined` where only running it would tell. */
const memberName = (/** @type {any} */ { computed, property }) => (computed ? property.value : property.name);

/**
 * A name where it stands for the global thing: no type, no key, no member of something else.
 *
 * @param {any} node
 */
function isValue(node) {
  const { parent } = node;
  switch (parent.type) {
    case 'MemberExpression':
      return parent.object === node || parent.computed;
    case 'Property':
      return parent.value === node;
    case 'PropertyDefinition':
    case 'MethodDefinition':
      return parent.computed || parent.value === node;
    case 'TSAsExpression':
    case 'TSSatisfiesExpression':
    case 'TSNonNullExpression':
      return true;
    default:
      return !parent.type.startsWith('TS');
  }
}

/** Not something of the file's own that bears the same name. @param {import('oxlint').Context} context @param {any} node */
function isGlobal(context, node) {
  for (let scope = context.sourceCode.getScope(node); scope; scope = scope.upper)
    if (scope.set.get(node.name)?.defs.length > 0) return false;
  return isValue(node);
}

/** `globalThis.<name>`. @param {any} node @param {string} name */
const isOfGlobal = (node, name) => GLOBALS.has(node.object.name) && memberName(node) === name;

/** What may be done with `Date`: convert what is given, and ask what it is. @param {any} node */
function isConversion({ parent, ...node }) {
  const isThis = (/** @type {any} */ other) => other.start === node.start;
  if (parent.type === 'NewExpression' && isThis(parent.callee))
    return parent.arguments.length > 0 && parent.arguments[0].type !== 'SpreadElement';
  if (parent.type === 'BinaryExpression') return parent.operator === 'instanceof';
  return parent.type === 'MemberExpression' && ['parse', 'UTC', 'prototype'].includes(memberName(parent));
}

const NOW = 'ask Clock for the time: a process does not say "now"';
const ENVIRONMENT = 'read the environment through libs/platform';
const PROCESS_MODULES = new Set(['process', 'node:process']);

export default {
  meta: { name: 'curfew' },
  rules: {
    /** One clock: the database's. `new Date(value)` is a conversion and stays allowed; another name for `Date` is none. */
    'one-clock': {
      create(context) {
        const report = reporter(context);
        return {
          Identifier(node) {
            if (node.name === 'Date' && isGlobal(context, node) && !isConversion(node)) report(node, NOW);
          },
          MemberExpression(node) {
            if (isOfGlobal(node, 'Date')) report(node, NOW);
          },
        };
      },
    },
    /** Unions and `as const` instead. */
    'no-enum': {
      create(context) {
        const report = reporter(context);
        return { TSEnumDeclaration: (node) => report(node, 'use a union or `as const`') };
      },
    },
    /** The environment is read in one place, validated there, and passed on. `process` has one name, or it could be read under another. */
    'one-environment': {
      create(context) {
        const report = reporter(context);
        const isOfProcess = (/** @type {any} */ node) => PROCESS_MODULES.has(node.source?.value);
        const reportProcess = (/** @type {any} */ node) => void (isOfProcess(node) && report(node, ENVIRONMENT));
        return {
          ImportDeclaration: reportProcess,
          ImportExpression: reportProcess,
          ExportNamedDeclaration: reportProcess,
          ExportAllDeclaration: reportProcess,
          CallExpression(node) {
            if (PROCESS_MODULES.has(node.arguments[0]?.value)) report(node, ENVIRONMENT);
          },
          Identifier(node) {
            if (node.name !== 'process' || !isGlobal(context, node)) return;
            const { parent } = node;
            const name = parent.type === 'MemberExpression' && parent.object === node ? memberName(parent) : undefined;
            if (name === undefined || name === 'env') report(node, ENVIRONMENT);
          },
          MemberExpression(node) {
            if (isOfGlobal(node, 'process')) report(node, ENVIRONMENT);
          },
        };
      },
    },
    /** A library offers exactly what its index names. */
    'named-exports': {
      create(context) {
        const report = reporter(context);
        return { ExportAllDeclaration: (node) => report(node, 'name what is exported') };
      },
    },
  },
};
