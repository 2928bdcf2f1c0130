import { describe, expect, it } from 'vitest';
import {
  apiEnvironment,
  InvalidEnvironment,
  readEnvironment,
  timekeeperEnvironment,
  workerEnvironment,
} from '@app/platform';
import { failpointsInTheSources } from '../support/failpoints';
import { BEGINNINGS, ENDINGS } from '../support/kills';

describe('a failpoint', () => {
  const names = failpointsInTheSources();

  it('has a name of its own', () => {
    expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
  });

  it('is one at which a process is killed, every one of them', () => {
    const killed = new Set([...BEGINNINGS, ...ENDINGS].map(({ at }) => at));
    expect([...killed].toSorted()).toEqual(names.toSorted());
    expect(names.length).toBeGreaterThan(40);
  });

  it.each([
    ['api', apiEnvironment],
    ['worker', workerEnvironment],
    ['timekeeper', timekeeperEnvironment],
  ])('cannot be armed in production: %s', (_, schema) => {
    const values = {
      DATABASE_URL: 'postgresql://curfew@127.0.0.1/curfew',
      PUBLIC_URL: 'https://curfew.example',
      SEALING_KEY_FILE: '/keys/sealing.key',
      PROOF_KEY_FILE: '/keys/proof.key',
      CURFEW_FAILPOINTS: '/tmp/failpoints',
    };
    expect(() => readEnvironment(schema, values)).toThrow(InvalidEnvironment);
    expect(() => readEnvironment(schema, values)).toThrow(/CURFEW_FAILPOINTS: is for tests/);
    expect(readEnvironment(schema, { ...values, CURFEW_ENV: 'development' }).CURFEW_FAILPOINTS).toBe('/tmp/failpoints');
  });
});
