/**
 * The service's time, carried by the monotonic clock: what this machine believes the time is plays no part. A `Date` header
 * has whole seconds; each answer narrows down where within the second it was.
 */
export class ServerClock {
  /** Server time minus monotonic time lies between these two. */
  #low = -Infinity;
  #high = Infinity;

  constructor(
    private readonly monotonic: () => number = () => performance.now(),
    private readonly wall: () => number = () => performance.timeOrigin + performance.now(),
  ) {}

  /** Learns from an answer. */
  observe(date: string | null, sentAt: number, receivedAt: number): void {
    const second = Date.parse(date ?? '');
    if (Number.isNaN(second)) return;
    const low = second - receivedAt;
    const high = second + 1_000 - sentAt;
    this.#low = Math.max(this.#low, low);
    this.#high = Math.min(this.#high, high);
    // The clocks went apart: the service's was set, or this machine slept.
    if (this.#low > this.#high) [this.#low, this.#high] = [low, high];
  }

  get isKnown(): boolean {
    return Number.isFinite(this.#low);
  }

  /** In milliseconds since the epoch; this machine's own time as long as the service has not answered. */
  now(): number {
    return this.isKnown ? this.monotonic() + (this.#low + this.#high) / 2 : this.wall();
  }

  /** How far the service is ahead of this machine, in milliseconds. */
  aheadMs(): number {
    return this.now() - this.wall();
  }
}
