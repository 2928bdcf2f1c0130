// Imports go one way (docs/decisions, README "map"):
// apps → access, … → providers, policy, identity, audit → platform → kernel.
const library = (name) => `^libs/${name}/`;
const levels = [['kernel'], ['platform'], ['audit', 'identity', 'policy', 'providers'], ['access']];

const oneWay = levels.flatMap((names, level) =>
  names.map((name) => ({
    name: `${name}-imports-only-below`,
    severity: 'error',
    from: { path: library(name) },
    to: {
      path: '^(libs|apps)/',
      pathNot: [library(name), ...levels.slice(0, level).flat().map(library)],
    },
  })),
);

module.exports = {
  forbidden: [
    ...oneWay,
    { name: 'no-cycle', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphan',
      severity: 'error',
      from: { orphan: true, path: '^(libs|apps)/', pathNot: '\\.spec\\.ts$' },
      to: {},
    },
    {
      name: 'apps-do-not-know-each-other',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'through-the-front-door',
      comment: 'a library offers exactly what its index names',
      severity: 'error',
      from: { path: '^(apps|libs/([^/]+))/', pathNot: '\\.spec\\.ts$' },
      to: {
        path: '^libs/([^/]+)/src/',
        pathNot: ['^libs/$2/', '/src/index\\.ts$', '^libs/platform/src/(queue|http)/index\\.ts$'],
      },
    },
    {
      name: 'a-provider-knows-no-other-provider',
      severity: 'error',
      from: { path: '^libs/providers/src/([^/]+)/' },
      to: { path: '^libs/providers/src/[^/]+/', pathNot: '^libs/providers/src/$1/' },
    },
    {
      name: 'domain-knows-no-transport',
      severity: 'error',
      from: { path: '^libs/(audit|policy|identity|access)/', pathNot: '\\.spec\\.ts$' },
      to: {
        path: 'node_modules/(@nestjs/(platform-express|swagger|bullmq|schedule)|express|bullmq|ioredis|@aws-sdk|node-vault)/',
      },
    },
    {
      name: 'providers-know-no-database',
      severity: 'error',
      from: { path: '^libs/providers/' },
      to: { path: 'node_modules/(typeorm|@nestjs/typeorm|bullmq|ioredis)/' },
    },
    {
      name: 'kernel-is-plain',
      severity: 'error',
      from: { path: '^libs/kernel/', pathNot: '\\.spec\\.ts$' },
      to: { path: 'node_modules', pathNot: 'node_modules/@types/node' },
    },
    {
      name: 'no-test-code',
      severity: 'error',
      from: { pathNot: '(^test/|\\.spec\\.ts$|^vitest)' },
      to: { path: '(^test/|\\.spec\\.ts$)' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { conditionNames: ['import', 'node', 'types'], exportsFields: ['exports'] },
  },
};
