import { describe, expect, it } from 'vitest';
import { isDatabaseAway } from './database-away';

const coded = (code: string) => Object.assign(new Error('x'), { code });

describe('an error of the database', () => {
  it.each(['08006', '53300', '57P01', '57014', '25P03', '25006', '28000', '28P01', '3D000', 'ECONNREFUSED'])(
    'says that it is away: %s',
    (code) => {
      expect(isDatabaseAway(coded(code))).toBe(true);
      expect(isDatabaseAway(Object.assign(new Error('query failed'), { driverError: coded(code) }))).toBe(true);
    },
  );

  it('says so in the words of the driver too', () => {
    expect(isDatabaseAway(new Error('Connection terminated unexpectedly'))).toBe(true);
    expect(isDatabaseAway(new Error('timeout exceeded when trying to connect'))).toBe(true);
    expect(isDatabaseAway(new Error('Client was closed and is not queryable'))).toBe(true);
  });

  it.each(['23505', '42501', '22P02', '55000'])('is ours to mend: %s', (code) => {
    expect(isDatabaseAway(coded(code))).toBe(false);
  });
});
