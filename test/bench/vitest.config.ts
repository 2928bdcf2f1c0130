import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

// One after the other, on a quiet machine: `npm run bench`. The hour (`npm run bench -- soak`) is for itself.
const isSoak = process.env['CURFEW_BENCH_SOAK'] !== undefined;
export default defineConfig({
  root: resolve(import.meta.dirname, '../..'),
  resolve: { tsconfigPaths: true },
  test: {
    include: [isSoak ? 'test/bench/soak.bench.ts' : 'test/bench/*.bench.ts'],
    exclude: isSoak ? [] : ['test/bench/soak.bench.ts'],
    testTimeout: 7_200_000,
    hookTimeout: 900_000,
    fileParallelism: false,
    maxWorkers: 1,
  },
});
