import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Desk } from '../../../test/support/cli/desk';
import { problem } from '../../../test/support/cli/fake-service';

let desk: Desk;
beforeEach(async () => {
  desk = await Desk.open();
});
afterEach(() => desk.close());

const CLONE = { variables: { CURFEW_COMMAND: './curfew' } };

describe('the commands that are suggested', () => {
  it('are written as they are typed here, in advice of the service too, with the profile', async () => {
    desk.signIn();
    desk.service.on('GET /v1/me', problem(404, 'a.b', 'no', { detail: '`curfew targets list` shows; curfew knows.' }));
    expect((await desk.run(['whoami'], CLONE)).stderr).toContain('`./curfew targets list` shows; curfew knows.');
    expect((await desk.run(['whoami'])).stderr).toContain('`curfew targets list` shows');
    const { stderr } = await desk.run(['whoami', '--json'], CLONE);
    expect(JSON.parse(stderr)).toMatchObject({ detail: '`./curfew targets list` shows; curfew knows.' });
    const stranger = await desk.run(['whoami', '--profile', 'ben'], CLONE);
    expect(stranger.stderr).toContain('`./curfew login --profile ben`');
  });

  it('are so in what is said about what was typed, and in the help', async () => {
    expect((await desk.run(['request', 'orders-db'], CLONE)).stderr).toContain('See `./curfew request --help`.');
    expect((await desk.run(['targets', 'lst'], CLONE)).stderr).toContain(
      'Did you mean list? See `./curfew targets --help`.',
    );
    const words = ['request', 'orders-db', '--for', '1m', '--reason', 'x'];
    expect((await desk.run(words, CLONE)).stderr).toContain('`./curfew targets list`');
    expect((await desk.run(['--help'], CLONE)).stdout).toMatch(/^Usage: \.\/curfew <command>/);
    expect((await desk.run(['help', 'done'], CLONE)).stdout).toMatch(/^Usage: \.\/curfew done/);
  });

  it('can be pasted from a folder with a space, and are no way to say something else', async () => {
    const named = async (command: string) =>
      (await desk.run(['whoami'], { variables: { CURFEW_COMMAND: command } })).stderr;
    expect(await named('/tmp/my clone/curfew')).toContain("`'/tmp/my clone/curfew' login`");
    for (const evil of ["x'; rm -rf ~", 'a\u001b[2Jb', '`id`']) expect(await named(evil)).toContain('`curfew login`');
  });
});

describe('a group of commands without one of them', () => {
  it('is a problem and nothing else with --json, and the help otherwise', async () => {
    const { code, stdout, stderr } = await desk.run(['targets', '--json']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({ code: 'cli.usage', detail: expect.stringContaining('targets --help') });
    expect((await desk.run(['targets'])).stderr).toContain('Usage: curfew targets');
  });

  it('lists exec as it has to be typed', async () => {
    expect((await desk.run(['--help'])).stdout).toContain('exec <grant> -- <command...>');
  });
});
