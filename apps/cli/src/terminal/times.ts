/** `12m 03s`, `2h 05m`, `3d 04h`, `45s`: two units at most. */
export function spanOf(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000));
  const two = (value: number): string => String(value).padStart(2, '0');
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h ${two(Math.floor((seconds % 3_600) / 60))}m`;
  return `${Math.floor(seconds / 86_400)}d ${two(Math.floor((seconds % 86_400) / 3_600))}h`;
}

/** `in 12m 03s` or `12m 03s ago`. */
export function relative(instant: string, now: number): string {
  const distance = Date.parse(instant) - now;
  if (Number.isNaN(distance)) return '?';
  if (Math.abs(distance) < 1_000) return 'now';
  return distance > 0 ? `in ${spanOf(distance)}` : `${spanOf(-distance)} ago`;
}

/** An instant in the user's zone: `14:32:10` on the same day as `now`, `2026-11-21 14:32:10` on another. */
export function clockTime(instant: string, now: number): string {
  const time = new Date(instant);
  if (Number.isNaN(time.getTime())) return '?';
  const day = dayOf(time);
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(twoDigits).join(':');
  return day === dayOf(new Date(now)) ? clock : `${day} ${clock}`;
}

/** The same to the millisecond, always with its day: for a life that is looked at later. */
export function exactTime(instant: string): string {
  const time = new Date(instant);
  if (Number.isNaN(time.getTime())) return '?';
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(twoDigits).join(':');
  return `${dayOf(time)} ${clock}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}

const twoDigits = (value: number): string => String(value).padStart(2, '0');

const dayOf = (time: Date): string =>
  `${time.getFullYear()}-${twoDigits(time.getMonth() + 1)}-${twoDigits(time.getDate())}`;

/** `85 ms`, `1.2 s`, `31d 04h`: how late something was. */
export function lateness(milliseconds: number): string {
  if (milliseconds >= 60_000) return spanOf(milliseconds);
  return milliseconds < 1_000 ? `${milliseconds} ms` : `${(milliseconds / 1_000).toFixed(1)} s`;
}
