import type { Terminal } from '../terminal.ts';
import { waitFor } from '../waiting.ts';
import { DatabaseSession, tryToLogIn, type Login } from './database-session.ts';
import type { Outcome, Person } from './person.ts';
import { Promises } from './promises.ts';

const SECONDS = 20;
/** How late the cut may be seen from here: the provider's calls, and this process' own turn. */
const LATE_MS = 2_000;
const WAIT_MS = 15_000;
const LOOK_MS = 200;
/** How long after the deadline a session is watched that is still open. */
const CUT_MS = 10_000;

export interface Cast {
  /** Asks. */
  readonly ada: Person;
  /** Decides. */
  readonly ben: Person;
  /** Reads the record. */
  readonly cleo: Person;
}

interface Request {
  readonly id: string;
  readonly state: string;
  readonly grants: readonly { readonly id: string }[];
}

interface Life {
  readonly id: string;
  readonly state: string;
  readonly endsAt: string;
  readonly endReason: string | null;
  readonly lateMs: number | null;
  readonly evidence: readonly { readonly kind: string; readonly body: { readonly checks?: readonly Check[] } }[];
}

interface Check {
  readonly check: string;
  readonly answer: string;
  readonly verdict: string;
}

interface Event {
  readonly members: Readonly<Record<string, string>>;
}

/** The ways into the database, as somebody has them who knows nothing of Curfew. */
export interface Doors {
  readonly open: (login: Login) => Promise<Pick<DatabaseSession, 'ask' | 'cut' | 'leave'>>;
  /** @returns what the server says */
  readonly knock: (login: Login) => Promise<string>;
  /** This host's clock, in milliseconds. */
  readonly now: () => number;
}

const DOORS: Doors = {
  open: (login) => DatabaseSession.open(login),
  knock: tryToLogIn,
  now: () => performance.timeOrigin + performance.now(),
};

/** One grant, whole: ask, decide, use, end, prove. @returns how many promises were broken */
export async function tellStory(cast: Cast, terminal: Terminal, doors: Doors = DOORS): Promise<number> {
  const story = new Story({ cast, terminal, doors });
  const grant = await story.askAndDecide();
  // What follows does not depend on it: what is not proven, or not in the record, is a broken promise of its own.
  await story.tell('a grant can be used until its deadline', () => story.use(grant));
  await story.tell('ended means proven', () => story.prove(grant));
  await story.tell('each step is in the record, without a gap', () => story.record(grant));
  return story.broken;
}

class Story {
  readonly #promises: Promises;
  readonly #say: (line: string) => void;
  readonly #cast: Cast;
  readonly #terminal: Terminal;
  readonly #doors: Doors;

  constructor({ cast, terminal, doors }: { cast: Cast; terminal: Terminal; doors: Doors }) {
    this.#cast = cast;
    this.#terminal = terminal;
    this.#doors = doors;
    this.#promises = new Promises(terminal);
    this.#say = teller(terminal);
  }

  get broken(): number {
    return this.#promises.broken;
  }

  /** A part of the story. What goes wrong in it breaks the promise, and not the rest of the story. */
  async tell(promise: string, part: () => Promise<void>): Promise<void> {
    try {
      await part();
    } catch (error) {
      this.#promises.check(false, promise, error instanceof Error ? error.message : String(error));
    }
  }

  /** @returns the grant's id */
  async askAndDecide(): Promise<string> {
    const { ada, ben } = this.#cast;
    this.#say(`ada asks to read the orders database for ${SECONDS} seconds`);
    const order = ['request', 'orders-db/read', '--for', `${SECONDS}s`, '--reason', 'the demo', '--no-wait'];
    const asked = await ada.run<Request>(...order);
    const own = await ada.attempt('approve', asked.id, '--yes');
    this.#refused(own, 'access.self_approval', 'nobody approves their own request');
    this.#say('ben looks at it and approves it');
    const { grants } = await ben.run<Request>('approve', asked.id, '--yes');
    return grants[0]?.id ?? '';
  }

  /** Logs in with what was handed over, and stays. */
  async use(id: string): Promise<void> {
    const { ada, ben } = this.#cast;
    const { endsAt } = await this.#until(id, 'active');
    const login = loginOf(await ada.run('credential', id));
    const session = await this.#doors.open(login);
    try {
      const [count] = await session.ask('SELECT count(*)::integer AS orders FROM orders');
      this.#say(`ada is in, as ${login.user}, and sees ${String(count?.['orders'])} orders`);
      const other = await ben.attempt('credential', id);
      this.#refused(other, 'access.grant_not_found', 'a credential is its holder’s alone');
      this.#say(`ada stays connected; the grant ends at ${endsAt}`);
      await this.#cutOnTime(session, Date.parse(endsAt));
    } finally {
      // Nobody waits for a server that does not answer: the process ends with the story.
      session.leave().catch(() => undefined);
    }
    const answer = await this.#doors.knock(login);
    this.#promises.check(/authentication failed|not permitted/.test(answer), 'the door is shut', answer);
  }

  async prove(id: string): Promise<void> {
    const ended = await this.#until(id, 'ended');
    const checks = ended.evidence.flatMap(({ kind, body }) => (kind === 'proof' ? (body.checks ?? []) : []));
    this.#say('Curfew has proven the end:');
    for (const { check, answer } of checks) this.#terminal.say(`      ${check}: ${this.#terminal.dim(answer)}`);
    const lateness = `decided ${ended.lateMs} ms after the deadline`;
    this.#promises.check(ended.endReason === 'expired', 'it ended because its time was over', lateness);
    const isProven = checks.length > 0 && checks.every(({ verdict }) => verdict === 'ended');
    this.#promises.check(isProven, 'ended means proven', `${checks.length} checks`);
  }

  async record(id: string): Promise<void> {
    const { items } = await this.#cast.cleo.run<{ items: Event[] }>('audit', 'list', '--subject', id);
    const steps = items.map(({ members }) => members).toReversed();
    const isWhole = steps.length >= 5 && steps.every(({ sequence }, index) => sequence === String(index + 1));
    const path = steps.map(({ to }) => to).join(' → ');
    this.#promises.check(isWhole, 'each step is in the record, without a gap', path);
  }

  async #cutOnTime({ cut }: Pick<DatabaseSession, 'cut'>, endsAt: number): Promise<void> {
    const promise = 'the open session is cut at the deadline';
    let seen: Awaited<typeof cut> | undefined;
    cut.then((how) => (seen = how)).catch(() => undefined);
    await waitFor(() => seen, endsAt - this.#doors.now() + CUT_MS);
    if (!seen) return this.#promises.check(false, promise, `it is open ${CUT_MS / 1_000} s after it`);
    const late = Math.round(seen.at - endsAt);
    this.#promises.check(late >= 0 && late <= LATE_MS, promise, `${late} ms after it: ${seen.words}`);
  }

  /** Refused for this reason: a service that is away refuses everything. */
  #refused({ code, said }: Outcome, problem: string, promise: string): void {
    const seen = codeOf(said);
    this.#promises.check(code !== 0 && seen === problem, promise, code === 0 ? 'it went through' : seen);
  }

  async #until(grant: string, state: string): Promise<Life> {
    let last = 'never seen';
    const look = async (): Promise<Life | undefined> => {
      const life = await this.#cast.ada.run<Life>('show', grant);
      last = life.state;
      return last === state ? life : undefined;
    };
    const life = await waitFor(look, WAIT_MS, LOOK_MS);
    if (!life) throw new Error(`the grant is not ${state} after ${WAIT_MS / 1_000} s; it is ${last}`);
    return life;
  }
}

function teller(terminal: Terminal): (line: string) => void {
  const started = performance.now();
  return (line) => {
    const seconds = ((performance.now() - started) / 1_000).toFixed(1).padStart(5);
    terminal.say(`${terminal.dim(`${seconds} s`)}  ${line}`);
  };
}

function loginOf(credential: unknown): Login {
  const { fields } = credential as { fields: Record<'host' | 'port' | 'database' | 'username' | 'password', string> };
  const { host, database, username: user, password } = fields;
  return { host, port: Number(fields.port), database, user, password };
}

function codeOf(said: string): string {
  return /"code":\s*"([^"]+)"/.exec(said)?.[1] ?? said.trim().slice(0, 120);
}
