import { describe, expect, it } from 'vitest';
import { painter } from './paint';
import { table } from './table';
import { clockTime, lateness, relative, spanOf } from './times';
import { safeJson, visible, visibleLines } from './visible';
import { cut, widthOf } from './width';

describe('text of others', () => {
  it('is shown with everything that could do something written out', () => {
    expect(visible('a\u001b[2J\u0007\u009b\u202eb\u2028\ud800')).toBe(
      'a\\u{1b}[2J\\u{7}\\u{9b}\\u{202e}b\\u{2028}\\u{d800}',
    );
    expect(visible('one\r\ntwo\tthree')).toBe('one two three');
    expect(visibleLines('one\ntwo\u001b')).toEqual(['one', 'two\\u{1b}']);
    expect(visible('Zoë 🦉 名')).toBe('Zoë 🦉 名');
  });

  it('is the same document in JSON', () => {
    const value = { a: '\u001b\u009b\u202e\u{e0041}ok\ud800' };
    // oxlint-disable-next-line no-control-regex
    expect(safeJson(value)).toMatch(/^[\u0020-\u007e]*$/);
    expect(JSON.parse(safeJson(value))).toEqual(value);
  });
});

describe('times', () => {
  it('are two units at most', () => {
    expect([0, 59_999, 723_000, 7_500_000, 273_600_000].map(spanOf)).toEqual([
      '0s',
      '59s',
      '12m 03s',
      '2h 05m',
      '3d 04h',
    ]);
  });

  it('say how late something was, as exactly as matters', () => {
    expect([85, 1_234, 59_999, 60_000, 2_692_800_000].map(lateness)).toEqual([
      '85 ms',
      '1.2 s',
      '60.0 s',
      '1m 00s',
      '31d 04h',
    ]);
  });

  it('are relative to the clock of the service, and in the zone of the user', () => {
    const now = Date.parse('2026-11-21T12:00:00Z');
    expect(relative('2026-11-21T12:12:03.500Z', now)).toBe('in 12m 03s');
    expect(relative('2026-11-21T11:59:00Z', now)).toBe('1m 00s ago');
    expect(clockTime('2026-11-21T12:00:01Z', now)).toMatch(/^\d\d:00:01$/);
    expect(clockTime('2026-11-10T12:00:01Z', now)).toMatch(/^2026-11-1\d \d\d:00:01$/);
    expect([relative('never', now), clockTime('never', now)]).toEqual(['?', '?']);
  });
});

describe('tables', () => {
  const columns = [{ title: 'ID' }, { title: 'WHAT', shrinkTo: 4 }, { title: 'END' }];
  const rows = [
    ['1', 'orders-db/read', 'now'],
    ['2', '名前名前名前名前', 'later'],
  ];
  const paint = painter(false);

  it.each([20, 24, 28, 80])('fit %i columns, wide characters included', (width) => {
    for (const line of table(columns, rows, { paint, width })) expect(widthOf(line)).toBeLessThanOrEqual(width);
  });

  it('are whole where there is no width', () => {
    expect(table(columns, rows, { paint, width: undefined }).join()).toContain('名前名前名前名前');
  });

  it('count columns, not characters', () => {
    expect(['abc', '名前', 'e\u0301', '🦉', '\u001b[31mred\u001b[39m'].map(widthOf)).toEqual([3, 4, 1, 2, 3]);
    expect(cut('名前名前', 5)).toBe('名前…');
  });
});
