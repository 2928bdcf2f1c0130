import type { Terminal } from '../terminal.ts';
import { waitFor } from '../waiting.ts';
import { DatabaseSession, tryToLogIn, type Login } from './database-session.ts';
import { Person } from './person.ts';
import { Promises } from './promises.ts';

const SECONDS = 20;
/** How late the cut may be seen from here: the provider's calls, and this process' own turn. */
const LATE_MS = 2_000;
const WAIT_MS = 15_000;
const LOOK_MS = 200;

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

/** One grant, whole: ask, decide, use, end, prove. @returns how many promises were broken */
export async function tellStory(cast: Cast, terminal: Terminal): Promise<number> {
  const story = new Story(cast, terminal);
  const active = await story.askAndDecide();
  await story.use(active);
  await story.prove(active.id);
  return story.broken;
}

class Story {
  readonly #promises: Promises;
  readonly #say: (line: string) => void;

  readonly #cast: Cast;
  readonly #terminal: Terminal;

  constructor(cast: Cast, terminal: Terminal) {
    this.#cast = cast;
    this.#terminal = terminal;
    this.#promises = new Promises(terminal);
    this.#say = teller(terminal);
  }

  get broken(): number {
    return this.#promises.broken;
  }

  async askAndDecide(): Promise<Life> {
    const { ada, ben } = this.#cast;
    this.#say(`ada asks to read the orders database for ${SECONDS} seconds`);
    const order = ['request', 'orders-db/read', '--for', `${SECONDS}s`, '--reason', 'the demo', '--no-wait'];
    const asked = await ada.run<Request>(...order);
    const own = await ada.attempt('approve', asked.id, '--yes');
    this.#promises.check(own.code !== 0, 'nobody approves their own request', codeOf(own.said));
    this.#say('ben looks at it and approves it');
    const { grants } = await ben.run<Request>('approve', asked.id, '--yes');
    return this.#until(grants[0]?.id ?? '', 'active');
  }

  /** Logs in with what was handed over, and stays. */
  async use({ id, endsAt }: Life): Promise<void> {
    const { ada, ben } = this.#cast;
    const login = loginOf(await ada.run('credential', id));
    const session = await DatabaseSession.open(login);
    const [count] = await session.ask('SELECT count(*)::integer AS orders FROM orders');
    this.#say(`ada is in, as ${login.user}, and sees ${String(count?.['orders'])} orders`);
    const other = await ben.attempt('credential', id);
    this.#promises.check(other.code !== 0, 'a credential is its holder’s alone', codeOf(other.said));
    this.#say(`ada stays connected; the grant ends at ${endsAt}`);
    const cut = await session.cut;
    const late = Math.round(cut.at - Date.parse(endsAt));
    const isOnTime = late >= 0 && late <= LATE_MS;
    this.#promises.check(isOnTime, 'the open session is cut at the deadline', `${late} ms after it: ${cut.words}`);
    const answer = await tryToLogIn(login);
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
    const { items } = await this.#cast.cleo.run<{ items: Event[] }>('audit', 'list', '--subject', id);
    const steps = items.map(({ members }) => members).toReversed();
    const isWhole = steps.length >= 5 && steps.every(({ sequence }, index) => sequence === String(index + 1));
    const path = steps.map(({ to }) => to).join(' → ');
    this.#promises.check(isWhole, 'each step is in the record, without a gap', path);
  }

  async #until(grant: string, state: string): Promise<Life> {
    const look = async (): Promise<Life | undefined> => {
      const life = await this.#cast.ada.run<Life>('show', grant);
      return life.state === state ? life : undefined;
    };
    const life = await waitFor(look, WAIT_MS, LOOK_MS);
    if (!life) throw new Error(`the grant did not become ${state}`);
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
