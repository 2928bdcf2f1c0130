import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { LocalKeySealer } from './sealing';

const sealer = () => new LocalKeySealer(new Secret(randomBytes(32)));

describe('LocalKeySealer', () => {
  it('opens what it sealed, for the same context only', async () => {
    const one = sealer();
    const sealed = await one.seal(new Secret('s3cret ✓'), 'credentials.sealed:1');
    expect((await one.open(sealed, 'credentials.sealed:1')).reveal()).toBe('s3cret ✓');
    await expect(one.open(sealed, 'credentials.sealed:2')).rejects.toThrow('does not open');
    await expect(sealer().open(sealed, 'credentials.sealed:1')).rejects.toThrow('does not open');
  });

  it('seals the same value to different bytes, and shows nothing of it', async () => {
    const one = sealer();
    const [a, b] = await Promise.all([one.seal(new Secret('marked'), 'x'), one.seal(new Secret('marked'), 'x')]);
    expect(a.equals(b)).toBe(false);
    expect(a.includes('marked')).toBe(false);
  });

  it('does not open after any byte was changed, or when it is cut', async () => {
    const one = sealer();
    const sealed = await one.seal(new Secret('v'), 'x');
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await expect(one.open(changed, 'x')).rejects.toThrow('does not open');
      await expect(one.open(sealed.subarray(0, at), 'x')).rejects.toThrow('does not open');
    }
  });

  describe('key file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'curfew-key-'));
    afterAll(() => rmSync(folder, { recursive: true }));
    const file = (text: string, mode = 0o600) => {
      const path = join(folder, randomBytes(6).toString('hex'));
      writeFileSync(path, text);
      chmodSync(path, mode);
      return path;
    };

    it('is 32 bytes in base64', async () => {
      const path = file(`${randomBytes(32).toString('base64')}\n`);
      const sealed = await LocalKeySealer.fromFile(path).seal(new Secret('v'), 'x');
      expect((await LocalKeySealer.fromFile(path).open(sealed, 'x')).reveal()).toBe('v');
    });

    it('is refused when it is short, no base64, absent, or may be read by others', () => {
      expect(() => LocalKeySealer.fromFile(file(randomBytes(16).toString('base64')))).toThrow('is not a key');
      expect(() => LocalKeySealer.fromFile(file('*'.repeat(44)))).toThrow('is not a key');
      expect(() => LocalKeySealer.fromFile(join(folder, 'absent'))).toThrow('cannot be read');
      expect(() => LocalKeySealer.fromFile(file(randomBytes(32).toString('base64'), 0o644))).toThrow('read by others');
      expect(() => LocalKeySealer.fromFile(file(randomBytes(32).toString('base64'), 0o440))).not.toThrow();
    });
  });
});
