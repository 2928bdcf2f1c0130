import { randomUUID } from 'node:crypto';

/** How often a canary is let into the queue. */
const EVERY_MS = 5_000;
/**
 * So many looks at which the queue answered us while our worker asked it for nothing. An idle worker asks every 5 s, and one
 * whose last question failed asks again after 15 s.
 */
const DEAF_LOOKS = 6;

/** The queue, as a canary sees it. */
export interface Shaft {
  /** Whether the queue took it. Never throws, and does not wait long. */
  letIn(id: string): Promise<boolean>;
  /** Whether somebody took it out again: whichever worker. Never throws, and does not wait long. */
  isOut(id: string): Promise<boolean>;
}

export interface CanaryOptions {
  /** Whether the worker has as much in hand as it may: then it asks for nothing more, and is well. */
  readonly isFull: () => boolean;
  /** The worker asks for no jobs, although the queue answers. */
  readonly onDeaf: () => void;
  readonly everyMs?: number | undefined;
}

/**
 * Tells a queue that is away from a worker that has stopped. Any worker may take any canary, so that one's own silence
 * means nothing: a queue carries when a canary of ours is taken by whomever, and a worker lives when it asks for jobs,
 * whether it gets one or not.
 */
export class Canary {
  readonly #process = randomUUID();
  readonly #timer: NodeJS.Timeout;
  #count = 0;
  /** In the queue, as far as is known. */
  #inside: string | undefined;
  #heardAt = performance.now();
  #hasAsked = true;
  #silentLooks = 0;
  #isLooking = false;

  constructor(
    private readonly shaft: Shaft,
    private readonly options: CanaryOptions,
  ) {
    this.#timer = setInterval(() => void this.#look(), options.everyMs ?? EVERY_MS).unref();
  }

  /** A canary came through to this very worker. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  /** The worker asks the queue for a job. */
  asked(): void {
    this.#hasAsked = true;
  }

  /** Seconds since a canary was last seen to have come through. */
  silentSeconds(): number {
    return (performance.now() - this.#heardAt) / 1_000;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.#lookFor(this.#inside);
      this.#count += 1;
      const id = `canary-${this.#process}-${this.#count}`;
      const answers = await this.shaft.letIn(id);
      // One that got no answer may be inside all the same; the next one says how it is.
      this.#inside = answers ? id : undefined;
      this.#judge(answers);
    } finally {
      this.#isLooking = false;
    }
  }

  async #lookFor(canary: string | undefined): Promise<void> {
    if (canary !== undefined && (await this.shaft.isOut(canary))) this.heard();
  }

  #judge(answers: boolean): void {
    const isWell = this.#hasAsked || this.options.isFull();
    this.#hasAsked = false;
    // A queue that is away is not asked either: nothing is known of the worker.
    this.#silentLooks = answers && !isWell ? this.#silentLooks + 1 : 0;
    if (this.#silentLooks === DEAF_LOOKS) this.options.onDeaf();
  }
}
