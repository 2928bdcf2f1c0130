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

// What each domain library may take from outside, and each kind of target.
const packages = {
  audit: ['typeorm'],
  identity: ['jose', 'typeorm', 'zod'],
  policy: ['@cedar-policy/cedar-wasm', 'yaml'],
  access: ['canonicalize', 'typeorm', 'zod'],
};
const providerPackages = ['ipaddr.js', 'p-map', 'zod'];
const clients = { postgres: ['pg'] };
const ofPackage = (name) => `node_modules/(@types/)?${name.replace('.', '\\.')}/`;

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
    ...Object.entries(packages).map(([name, allowed]) => ({
      name: `${name}-imports-what-is-its-business`,
      comment: 'a domain library knows no transport: no HTTP, no driver, no SDK',
      severity: 'error',
      from: { path: library(name), pathNot: '\\.spec\\.ts$' },
      to: { path: 'node_modules/', pathNot: allowed.map(ofPackage) },
    })),
    {
      name: 'domain-opens-no-connection',
      severity: 'error',
      from: { path: library('(kernel|audit|identity|policy|access)'), pathNot: '\\.spec\\.ts$' },
      // Of `net` it takes what an address is.
      to: {
        path: '^(node:)?(http|https|http2|tls|dgram|dns|dns/promises|child_process|worker_threads|cluster|inspector|process)$',
      },
    },
    {
      name: 'a-provider-opens-its-clients-connections-only',
      severity: 'error',
      from: { path: library('providers'), pathNot: '\\.spec\\.ts$' },
      to: { path: '^(node:)?(http|https|http2|dgram|child_process|worker_threads|cluster|inspector|process)$' },
    },
    {
      name: 'a-provider-imports-its-own-client-only',
      severity: 'error',
      from: { path: '^libs/providers/src/', pathNot: '\\.spec\\.ts$' },
      to: { path: 'node_modules/', pathNot: [...providerPackages, ...Object.values(clients).flat()].map(ofPackage) },
    },
    ...Object.entries(clients).map(([kind, client]) => ({
      name: `only-${kind}-knows-its-client`,
      severity: 'error',
      from: { path: library('providers'), pathNot: [`^libs/providers/src/${kind}/`, '\\.spec\\.ts$'] },
      to: { path: client.map(ofPackage) },
    })),
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
