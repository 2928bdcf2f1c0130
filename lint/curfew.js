// The bans of the house that no stock rule covers.

/** @param {import('oxlint').Context} context */
const reporter = (context) => (/** @type {any} */ node, /** @type {string} */ message) =>
  context.report({ node, message });

export default {
  meta: { name: 'curfew' },
  rules: {
    /** One clock: the database's. `new Date(value)` is a conversion and stays allowed. */
    'one-clock': {
      create(context) {
        const report = reporter(context);
        return {
          NewExpression(node) {
            if (node.callee.name === 'Date' && node.arguments.length === 0)
              report(node, 'ask Clock for the time: a process does not say "now"');
          },
          CallExpression(node) {
            const { callee } = node;
            if (callee.name === 'Date') report(node, 'ask Clock for the time: a process does not say "now"');
            if (callee.type === 'MemberExpression' && callee.object.name === 'Date' && callee.property.name === 'now')
              report(node, 'ask Clock for the time: a process does not say "now"');
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
    /** The environment is read in one place, validated there, and passed on. */
    'one-environment': {
      create(context) {
        const report = reporter(context);
        return {
          MemberExpression(node) {
            if (node.object.name === 'process' && (node.property.name === 'env' || node.property.value === 'env'))
              report(node, 'read the environment through libs/platform');
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
