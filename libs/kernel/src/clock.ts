/**
 * The only source of "now". There is one clock, the database's; where a process must judge a time itself (a token's
 * expiry) it asks here, and nothing else in the house calls `new Date()` or `Date.now()`.
 */
export abstract class Clock {
  /** The database's time, in milliseconds since the epoch. */
  abstract milliseconds(): number;

  now(): Date {
    return new Date(this.milliseconds());
  }
}
