/** No clock gains or loses more while it is being set right: 500 ppm is what NTP slews by at most. */
const DRIFT = 500e-6;

/** Server time minus monotonic time lay between these two, at a monotonic time. */
interface Bounds {
  readonly low: number;
  readonly high: number;
  readonly at: number;
}

/** When a question was sent and its answer received, on the monotonic clock. */
export interface Trip {
  readonly sentAt: number;
  readonly receivedAt: number;
}

/**
 * The service's time, carried by the monotonic clock: what this machine believes the time is plays no part. A `Date` header
 * has whole seconds, and is the clock of the machine that answers; what looks at a grant also says the database's time, to
 * the millisecond, and that counts from then on: it is the one that deadlines are judged by.
 */
export class ServerClock {
  #coarse: Bounds | undefined;
  #exact: Bounds | undefined;

  constructor(
    private readonly monotonic: () => number = () => performance.now(),
    private readonly wall: () => number = () => performance.timeOrigin + performance.now(),
  ) {}

  /** Learns from the `Date` of an answer. */
  observe(date: string | null, trip: Trip): void {
    const second = Date.parse(date ?? '');
    if (!Number.isNaN(second)) this.#coarse = narrowed(this.#coarse, second, 1_000, trip);
  }

  /** Learns from the database's time in an answer. */
  observeDatabase(instant: string, trip: Trip): void {
    const millisecond = Date.parse(instant);
    if (!Number.isNaN(millisecond)) this.#exact = narrowed(this.#exact, millisecond, 1, trip);
  }

  get isKnown(): boolean {
    return this.#bounds !== undefined;
  }

  /**
   * What time it most likely is, in milliseconds since the epoch; this machine's own time as long as the service has not
   * answered.
   */
  now(): number {
    const bounds = this.#bounds;
    return bounds ? this.monotonic() + (bounds.low + bounds.high) / 2 : this.wall();
  }

  /** What has certainly passed: the earliest that it can be at the service. With this an end is judged. */
  certainly(): number {
    const bounds = this.#bounds;
    if (!bounds) return this.wall();
    const now = this.monotonic();
    return now + bounds.low - DRIFT * (now - bounds.at);
  }

  /** How far the service is ahead of this machine at least, in milliseconds. */
  aheadMs(): number {
    return this.certainly() - this.wall();
  }

  get #bounds(): Bounds | undefined {
    return this.#exact ?? this.#coarse;
  }
}

/** What was known, moved apart by what the clocks may have gained since, and what an answer says. */
function narrowed(known: Bounds | undefined, time: number, unit: number, { sentAt, receivedAt: at }: Trip): Bounds {
  const seen = { low: time - at, high: time + unit - sentAt, at };
  if (!known) return seen;
  const drift = DRIFT * (at - known.at);
  const low = Math.max(known.low - drift, seen.low);
  const high = Math.min(known.high + drift, seen.high);
  // The clocks went apart: the service's was set, or this machine slept.
  return low > high ? seen : { low, high, at };
}
