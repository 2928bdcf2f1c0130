import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Clone } from './clone';
import type { Demo } from './demo-target';
import { Terminal } from './terminal';
import { welcome } from './welcome';

describe('the welcome', () => {
  const clone: Clone = { root: '/code/of ours', home: '/code/of ours/.curfew' };
  const account = { subject: 'ada', name: 'Ada', email: 'ada@example.com', password: 'abcde-fghij-kmnpq' };
  const demo: Demo = { accounts: [account], targets: [] };
  const said = (at: { demo?: Demo; from?: string; isTTY?: boolean; home?: string; data?: string[] }): string => {
    const { from = clone.root, home = clone.home, isTTY = false, data = [home] } = at;
    const out = Object.assign(new PassThrough(), { isTTY }) as unknown as NodeJS.WriteStream & PassThrough;
    const terminal = new Terminal({ NO_COLOR: '1' }, out);
    welcome(terminal, { ...clone, home }, { url: 'http://127.0.0.1:7420', demo: at.demo, data, from });
    return String(out.read());
  };

  it('shows passwords to a terminal, and to anything else where they are', () => {
    expect(said({ demo, isTTY: true })).toContain('ada   abcde-fghij-kmnpq   engineer');
    const piped = said({ demo });
    expect(piped).not.toContain('abcde');
    expect(piped).toContain('Demo accounts are in /code/of ours/.curfew/demo.json');
  });

  it('prints the command as it works where npm was called', () => {
    expect(said({ demo })).toContain('    ./curfew login\n');
    expect(said({ demo, from: '/elsewhere' })).toContain(`    '/code/of ours/curfew' login\n`);
    expect(said({ demo, home: `/it's here` })).toContain(`CURFEW_HOME='/it'\\''s here' ./curfew inbox --profile ben`);
  });

  it('names other commands where there is no demo', () => {
    const words = said({});
    expect(words).not.toContain('orders-db');
    expect(words.match(/ \.\/curfew /g)).toHaveLength(3);
  });

  it('names every folder that has data', () => {
    expect(said({ data: [clone.home, '/var/lib/curfew/1'] })).toContain(`${clone.home} and /var/lib/curfew/1; npm run`);
  });
});
