import { AppError } from './app-error';

const UNITS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;
const SHAPE = /^([1-9][0-9]{0,8})([smhd])$/;

/** The longest duration Curfew knows: 366 days, in seconds. There is no way to write "for ever". */
export const MAX_DURATION_SECONDS = 366 * UNITS.d;

export class InvalidDuration extends AppError {
  constructor(text: string) {
    super({
      kind: 'invalid',
      code: 'kernel.invalid_duration',
      message: 'not a duration',
      advice: 'Write a whole number and one of s, m, h or d: 45s, 30m, 2h, 7d; at most 366d.',
      details: { duration: text.slice(0, 40) },
    });
  }
}

/**
 * Reads `45s`, `30m`, `2h`, `7d`: what people type in the CLI and in policy annotations. One number, one unit.
 *
 * @returns whole seconds, from 1 to {@link MAX_DURATION_SECONDS}
 * @throws InvalidDuration for anything else: signs, fractions, spaces, several units, zero
 */
export function parseDuration(text: string): number {
  const match = SHAPE.exec(text);
  const seconds = match ? Number(match[1]) * UNITS[match[2] as keyof typeof UNITS] : 0;
  if (seconds < 1 || seconds > MAX_DURATION_SECONDS) throw new InvalidDuration(text);
  return seconds;
}

/** The largest unit that divides the duration: 5400 is `90m`. The inverse of {@link parseDuration}. */
export function formatDuration(seconds: number): string {
  for (const unit of ['d', 'h', 'm'] as const) {
    if (seconds >= UNITS[unit] && seconds % UNITS[unit] === 0) return `${seconds / UNITS[unit]}${unit}`;
  }
  return `${seconds}s`;
}
