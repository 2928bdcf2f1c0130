import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import type { AdapterPayload } from 'oidc-provider';
import { afterAll, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { DemoAccounts, TooManySignIns } from './demo-accounts';
import { readDemoAccounts } from './demo-file';
import { MemoryStore } from './memory-store';
import { CONTENT_SECURITY_POLICY, signedInPage } from './pages';

const ada = { subject: 'ada', name: 'Ada', email: 'ada@example.com', password: 'correct horse battery' };

describe('the file of the demo', () => {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-demo-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (content: unknown, mode = 0o600): string => {
    const path = join(folder, crypto.randomUUID());
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    chmodSync(path, mode);
    return path;
  };

  it('lists accounts, whose passwords show nowhere', () => {
    const accounts = readDemoAccounts(file({ accounts: [ada], targets: [{ file: {}, password: 'x' }] }));
    expect(accounts).toMatchObject([{ subject: 'ada', name: 'Ada', email: 'ada@example.com' }]);
    expect(inspect(accounts, { depth: null }) + JSON.stringify(accounts)).not.toContain(ada.password);
  });

  it.each([
    ['two accounts of one name', { accounts: [ada, ada] }],
    ['no account', { accounts: [] }],
    ['an unknown key', { accounts: [{ ...ada, admin: true }] }],
    ['a short password', { accounts: [{ ...ada, password: 'short' }] }],
    ['no JSON', `{ "accounts": [{ "password": "${ada.password}" `],
  ])('is refused with %s, and quotes nothing', (_, content) => {
    const path = file(content);
    const error: unknown = (() => {
      try {
        return readDemoAccounts(path);
      } catch (caught) {
        return caught;
      }
    })();
    expect(error).toMatchObject({ code: 'demo.file_invalid', details: { file: path } });
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain(ada.password);
  });

  it('is refused when it is not there, or others may read it', () => {
    expect(() => readDemoAccounts(join(folder, 'absent'))).toThrow('cannot be read');
    expect(() => readDemoAccounts(file({ accounts: [ada] }, 0o640))).toThrow('may be read by others');
  });
});

describe('the accounts of the demo', () => {
  const accounts = () => new DemoAccounts([{ ...ada, password: new Secret(ada.password) }]);

  it('know their own password and no other', async () => {
    const known = accounts();
    const verify = (subject: string, password: string) => known.verify(subject, new Secret(password));
    expect(await verify('ada', ada.password)).toBe(true);
    for (const password of ['', `${ada.password} `, ada.password.slice(1)])
      expect(await verify('ada', password)).toBe(false);
    for (const subject of ['ben', '', 'Ada', '__proto__', 'constructor'])
      expect(await verify(subject, ada.password)).toBe(false);
  });

  it('check one password at a time, and do not let a queue grow without end', async () => {
    const known = accounts();
    const all = await Promise.allSettled(Array.from({ length: 20 }, () => known.verify('ada', new Secret('guess'))));
    const refused = all.filter((one) => one.status === 'rejected');
    expect(refused).toHaveLength(4);
    expect(refused[0]?.reason).toBeInstanceOf(TooManySignIns);
    expect(await known.verify('ada', new Secret(ada.password))).toBe(true);
  });
});

describe('what the embedded provider remembers', () => {
  const payload = (more: Partial<AdapterPayload> = {}): AdapterPayload => ({ ...more });

  it('is found by id, by code and by uid, until its time is over', async () => {
    const store = new MemoryStore();
    await store.upsert('1', payload({ userCode: 'ABCD', uid: 'u', grantId: 'g' }), 60);
    expect(await store.find('1')).toMatchObject({ grantId: 'g' });
    expect(await store.findByUserCode('ABCD')).toBeDefined();
    expect(await store.findByUid('u')).toBeDefined();
    expect(await store.findByUserCode('EFGH')).toBeUndefined();
    await store.consume('1');
    expect(await store.find('1')).toMatchObject({ consumed: true });
    await store.upsert('1', payload(), 0);
    expect(await store.find('1')).toBeUndefined();
  });

  it('goes with its grant, and when it is destroyed', async () => {
    const store = new MemoryStore();
    await store.upsert('1', payload({ grantId: 'g' }), 60);
    await store.upsert('2', payload({ grantId: 'h' }), 60);
    await store.revokeByGrantId('g');
    expect([await store.find('1'), await store.find('2')]).toEqual([undefined, { grantId: 'h' }]);
    await store.destroy('2');
    expect(await store.find('2')).toBeUndefined();
  });

  it('does not grow without end: the oldest go first', async () => {
    const store = new MemoryStore();
    for (let at = 0; at <= 1_000; at += 1) await store.upsert(String(at), payload(), 60);
    expect(await store.find('0')).toBeUndefined();
    expect(await store.find('1')).toBeDefined();
    expect(await store.find('1000')).toBeDefined();
  });
});

describe('the pages of the demo', () => {
  it('have exactly the style that their security policy allows, or a browser shows them without', () => {
    const style = /<style>([^]*)<\/style>/.exec(signedInPage('Ada'))?.[1] ?? '';
    const allowed = /style-src 'sha256-([^']+)'/.exec(CONTENT_SECURITY_POLICY)?.[1];
    expect(style).toContain('body {');
    expect(createHash('sha256').update(style).digest('base64')).toBe(allowed);
  });
});
