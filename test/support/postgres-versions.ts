import { describe } from 'vitest';

/** A folder with `initdb` and `postgres` of version 15. Where it is set, the tests on 15 run or fail; nothing is skipped. */
export const POSTGRES_15 = process.env['CURFEW_TEST_POSTGRES_15_BIN'];

const WITHOUT_15 = POSTGRES_15 ? '' : ' (left out: CURFEW_TEST_POSTGRES_15_BIN is not set)';

/** Tests of what only 15 does. */
export function describeOnPostgres15(title: string, cases: (binaries?: string) => void): void {
  describe.skipIf(!POSTGRES_15)(`${title}, on PostgreSQL 15${WITHOUT_15}`, () => {
    cases(POSTGRES_15);
  });
}

/** The same tests on the embedded server and on the oldest version that Curfew accepts. */
export function describeOnPostgres(title: string, cases: (binaries?: string) => void): void {
  describe(`${title}, on PostgreSQL 18`, () => {
    cases();
  });
  describeOnPostgres15(title, cases);
}
