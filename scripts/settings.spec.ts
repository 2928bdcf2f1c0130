import { describe, expect, it } from 'vitest';
import { Failure } from './failure';
import { readSettings } from './settings';

const url = 'postgres://owner:secret@db:5432/curfew';
const OIDC_ISSUER = 'https://id.example.com';

describe('what the environment asks of a start', () => {
  it.each([
    ['nothing', {}, true],
    ['CURFEW_DEMO=0 and an issuer', { CURFEW_DEMO: '0', OIDC_ISSUER }, false],
    ['a database and an issuer', { DATABASE_URL: url, OIDC_ISSUER }, false],
    ['a database and CURFEW_DEMO=1', { DATABASE_URL: url, CURFEW_DEMO: '1' }, true],
    ['production and an issuer', { CURFEW_ENV: 'production', OIDC_ISSUER }, false],
    ['empty variables', { DATABASE_URL: '', CURFEW_DEMO: '', CURFEW_ENV: '' }, true],
  ])('with %s, seeds the demo or not', (_, environment, demo) => {
    expect(readSettings(environment).demo).toBe(demo);
  });

  it('refuses a start that nobody could sign in to, and names the two ways out', () => {
    const refusal = catching(() => readSettings({ DATABASE_URL: url }));
    expect(refusal.message).toContain('nobody could sign in');
    expect(refusal.advice.join('\n')).toMatch(/OIDC_ISSUER[^]*CURFEW_DEMO=1/);
  });

  it('refuses the demo in production, and production without an issuer', () => {
    const demo = { CURFEW_ENV: 'production', CURFEW_DEMO: '1', OIDC_ISSUER };
    expect(catching(() => readSettings(demo)).message).toContain('refuses the demo');
    expect(catching(() => readSettings({ CURFEW_ENV: 'production' })).message).toContain('nobody could sign in');
  });

  it.each(['0', '65536', '80x', '-1', '1.5'])('refuses the port %s', (PORT) => {
    expect(catching(() => readSettings({ PORT })).message).toContain('PORT is not a port');
  });

  it('passes on what the processes know, to those that know it', () => {
    const settings = readSettings({
      OIDC_ISSUER,
      OIDC_CLIENT_SECRET: 'secret',
      AWS_SECRET_ACCESS_KEY: 'secret',
      REDIS_URL: 'redis://localhost',
      STUCK_AFTER_SECONDS: '5',
    });
    expect(settings.common).toEqual({ CURFEW_ENV: 'development', REDIS_URL: 'redis://localhost' });
    expect(settings.api).toEqual({ OIDC_ISSUER, OIDC_CLIENT_SECRET: 'secret' });
    expect(settings.worker).toEqual({ STUCK_AFTER_SECONDS: '5' });
  });
});

function catching(work: () => unknown): Failure {
  try {
    work();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('it was not refused');
}
