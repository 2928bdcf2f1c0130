import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

// One after the other, on a quiet machine: `npm run bench`.
export default defineConfig({
  root: resolve(import.meta.dirname, '../..'),
  resolve: { tsconfigPaths: true },
  test: {
    include: ['test/bench/*.bench.ts'],
    testTimeout: 1_800_000,
    hookTimeout: 300_000,
    fileParallelism: false,
    maxWorkers: 1,
  },
});
