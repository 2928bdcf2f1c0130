import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tryToLogIn } from '../../scripts/demo/database-session';
import { waitFor } from '../../scripts/waiting';
import type { GrantRow, Trial } from './trial';

/** Something that happens to a trial, and what is true when it is over. */
export interface Life {
  /** Lets it happen. Whoever asks for it goes on asking; it ends when there is an answer. */
  act(): Promise<unknown>;
  /** What the test does when the process has died: the target comes back, say. */
  mend?(): Promise<unknown>;
  /** Whether the work is finished. */
  isOver(): Promise<boolean>;
  /** Leaves nothing for the next one. */
  leave?(): Promise<unknown>;
}

const ended = (trial: Trial, id: string, reason: string) => async (): Promise<boolean> => {
  const { state, endReason } = await trial.look(id);
  if (state === 'ended' && endReason !== reason) throw new Error(`it ended because ${endReason}`);
  return state === 'ended';
};
const release = (trial: Trial, id: string) => trial.insist('ada', `/v1/grants/${id}/release`);
const releaseAndWait = async (trial: Trial, id: string): Promise<GrantRow> => {
  await release(trial, id);
  return trial.reach(id, 'ended');
};
const count = async (trial: Trial, sql: string, parameters: unknown[] = []): Promise<number> => {
  const { rows } = await trial.database.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM ${sql}`,
    parameters,
  );
  return rows[0]!.count;
};

/** What each life has to have before it may happen. */
export const LIVES = {
  async ask(trial) {
    const before = await count(trial, 'requests');
    let id: string | undefined;
    return {
      act: async () => ({ id } = await trial.ask()),
      isOver: async () => id !== undefined && (await count(trial, 'requests')) === before + 1,
      leave: () => trial.insist('ada', `/v1/requests/${id}/withdrawal`),
    };
  },

  async begin(trial) {
    const asked = await trial.ask();
    let id: string | undefined;
    return {
      act: async () => (id = await trial.approve(asked)),
      isOver: async () => id !== undefined && (await trial.look(id)).state === 'active',
      leave: async () => {
        expectWords(await tryToLogIn(await trial.pickUp(id!)), 'logged in');
        await releaseAndWait(trial, id!);
      },
    };
  },

  async 'pick up'(trial) {
    const id = await trial.approve(await trial.ask());
    await trial.reach(id, 'active');
    let words: string | undefined;
    return {
      act: async () => (words = await tryToLogIn(await trial.pickUp(id))),
      isOver: async () => words === 'logged in',
      leave: () => releaseAndWait(trial, id),
    };
  },

  async replace(trial) {
    const { id, login, session } = await trial.use();
    const ready = `credentials WHERE grant_id = $1 AND version = 2 AND state = 'ready'`;
    return {
      act: () => trial.insist('ada', `/v1/grants/${id}/credential/replacement`),
      isOver: async () => (await count(trial, ready, [id])) === 1,
      leave: async () => {
        expectWords(await tryToLogIn(login), 'password authentication failed');
        expectWords(await tryToLogIn(await trial.pickUp(id)), 'logged in');
        await session.leave();
        await releaseAndWait(trial, id);
      },
    };
  },

  async release(trial) {
    const { id, login } = await trial.use();
    return {
      act: () => release(trial, id),
      isOver: ended(trial, id, 'released'),
      leave: async () => expectWords(await tryToLogIn(login), 'password authentication failed'),
    };
  },

  async revoke(trial) {
    const { id } = await trial.use();
    return {
      act: () => trial.insist('ben', `/v1/grants/${id}/revocation`),
      isOver: ended(trial, id, 'revoked'),
    };
  },

  async expire(trial) {
    const { id, session } = await trial.use(4);
    return {
      act: () => session.cut,
      isOver: ended(trial, id, 'expired'),
    };
  },

  /** More at once than one target's share of a worker: they are taken together. */
  async 'end together'(trial) {
    const { id, session } = await trial.use();
    const others = Array.from({ length: 9 }, async () => trial.reach(await trial.approve(await trial.ask()), 'active'));
    const ids = [id, ...(await Promise.all(others)).map((other) => other.id)];
    return {
      act: async () => {
        await trial.past('UPDATE grants SET ends_at = clock_timestamp() WHERE id = ANY($1)', ids);
        await session.cut;
      },
      isOver: async () => {
        const over = await Promise.all(ids.map((each) => ended(trial, each, 'expired')()));
        return over.every(Boolean);
      },
    };
  },

  /** The entitlement's group role is gone, so that it cannot begin. */
  async 'give up'(trial) {
    const asked = await trial.ask();
    await trial.target.query('ALTER ROLE orders_read RENAME TO orders_read_away');
    let id: string | undefined;
    return {
      act: async () => (id = await trial.approve(asked)),
      isOver: async () => id !== undefined && (await ended(trial, id, 'failed')()),
      leave: () => trial.target.query('ALTER ROLE orders_read_away RENAME TO orders_read'),
    };
  },

  /** The target does not let us in until the process has died. */
  async 'end at a target that is away'(trial) {
    const { id } = await trial.use();
    await trial.letUsIn(false);
    return {
      act: () => release(trial, id),
      mend: () => trial.letUsIn(true),
      isOver: ended(trial, id, 'released'),
    };
  },

  /** What somebody gave the role by hand keeps it there, powerless, until they take it away. */
  async tidy(trial) {
    const { id } = await trial.use();
    const { rows } = await trial.target.query<{ role: string }>(
      `SELECT quote_ident(rolname) AS role FROM pg_roles WHERE rolname LIKE '%' || $1`,
      [id],
    );
    const { role } = rows[0]!;
    await trial.target.query(`GRANT SELECT ON orders TO ${role}`);
    await releaseAndWait(trial, id);
    return {
      act: () => trial.target.query(`REVOKE ALL ON orders FROM ${role}`),
      isOver: async () => (await trial.look(id)).leftovers === 0,
    };
  },

  /** The policy that allowed it is gone. */
  async 're-evaluate'(trial) {
    const { id } = await trial.use();
    const file = join(trial.policies, 'groups.yaml');
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, before.replace('embedded/ada', 'embedded/nobody'));
    const reload = () => trial.insist('root', '/v1/policies/reload');
    const work = `operations WHERE kind = 'reevaluate' AND finished_at IS NULL`;
    return {
      act: reload,
      isOver: async () => (await ended(trial, id, 'policy')()) && (await count(trial, work)) === 0,
      leave: async () => {
        writeFileSync(file, before);
        await reload();
      },
    };
  },

  async 'be too late to begin'(trial) {
    await trial.letUsIn(false);
    const id = await trial.approve(await trial.ask());
    await trial.reach(id, 'activating');
    return {
      act: () =>
        trial.past(
          `UPDATE grants SET activate_by = activate_by - interval '20 minutes', ends_at = ends_at - interval '9 minutes' WHERE id = $1`,
          id,
        ),
      mend: () => trial.letUsIn(true),
      isOver: async () => (await trial.look(id)).state === 'ended',
    };
  },

  async 'a request lapses'(trial) {
    const { id } = await trial.ask();
    return {
      act: () => trial.past('UPDATE requests SET lapses_at = clock_timestamp() WHERE id = $1', id),
      isOver: async () => (await count(trial, `requests WHERE id = $1 AND state = 'lapsed'`, [id])) === 1,
    };
  },

  async 'a sign-in lapses'(trial) {
    await trial.send('ada', '/v1/sign-ins', { body: {} });
    const { rows } = await trial.database.query<{ id: string }>(`SELECT id FROM sign_ins WHERE state = 'pending'`);
    const { id } = rows[0]!;
    return {
      act: () => trial.past('UPDATE sign_ins SET lapses_at = clock_timestamp() WHERE id = $1', id),
      isOver: async () => (await count(trial, `sign_ins WHERE id = $1 AND state = 'lapsed'`, [id])) === 1,
    };
  },

  async 'a sign-in ends'(trial) {
    await trial.service.person('cleo');
    const { rows } = await trial.database.query<{ id: string }>(
      `SELECT s.id FROM sign_ins s JOIN identities i ON i.id = s.identity_id WHERE i.subject = 'cleo' AND s.state = 'completed'`,
    );
    const { id } = rows[0]!;
    return {
      act: () => trial.past('UPDATE sign_ins SET ends_at = clock_timestamp() WHERE id = $1', id),
      isOver: async () => (await count(trial, `sign_ins WHERE id = $1 AND state = 'ended'`, [id])) === 1,
    };
  },

  async 'find a stray'(trial) {
    const role = await aStray(trial);
    return {
      act: () => trial.past('UPDATE targets SET survey_after = clock_timestamp() WHERE name = $1', 'orders-db'),
      isOver: async () => (await strayOf(trial, role))?.state === 'found',
      leave: async () => {
        await confirmStray(trial, role);
        await waitFor(async () => ((await strayOf(trial, role))?.state === 'removed' ? true : undefined), 10_000);
      },
    };
  },

  async 'remove a stray'(trial) {
    const role = await aStray(trial);
    await trial.past('UPDATE targets SET survey_after = clock_timestamp() WHERE name = $1', 'orders-db');
    await waitFor(async () => (await strayOf(trial, role)) && true, 10_000);
    return {
      act: () => confirmStray(trial, role),
      isOver: async () => (await strayOf(trial, role))?.state === 'removed',
    };
  },

  async start(trial) {
    return {
      act: async () => trial.service.kill('api'),
      isOver: async () => {
        const reply = await fetch(`${trial.service.url}/readyz`).catch(() => undefined);
        return reply?.status === 200 && trial.service.run.processes.api?.state === 'ready';
      },
    };
  },
} as const satisfies Record<string, (trial: Trial) => Promise<Life>>;

/** A role of our name of which there is no row, as after a restore. @returns the id in its name */
async function aStray(trial: Trial): Promise<string> {
  const { rows } = await trial.database.query<{ id: string; name: string }>(
    `SELECT id, 'curfew-' || (SELECT left(id::text, 8) FROM installation) || '-' || id AS name FROM (SELECT gen_random_uuid() AS id) it`,
  );
  const { id, name } = rows[0]!;
  // As our account makes it.
  await trial.target.query(
    `BEGIN; SET LOCAL ROLE curfew_orders_admin; CREATE ROLE "${name}" LOGIN; GRANT orders_read TO "${name}"; COMMIT`,
  );
  return id;
}

async function strayOf(trial: Trial, grant: string): Promise<{ id: string; state: string } | undefined> {
  const { rows } = await trial.database.query<{ id: string; state: string }>(
    'SELECT id, state FROM strays WHERE grant_id = $1',
    [grant],
  );
  return rows[0];
}

async function confirmStray(trial: Trial, grant: string): Promise<unknown> {
  const stray = await strayOf(trial, grant);
  return trial.insist('ben', '/v1/targets/orders-db/strays/confirmation', { strays: [stray?.id] });
}

export type LifeName = keyof typeof LIVES;

function expectWords(words: string, expected: string): void {
  if (!words.includes(expected)) throw new Error(`a login was answered: ${words}`);
}
