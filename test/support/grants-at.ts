import type pg from 'pg';
import type { Asker, GrantLife } from '@app/access';
import { Secret } from '@app/kernel';
import { objectName, type Credential } from '@app/providers';
import { waitFor } from '../../scripts/waiting';
import { aHouse, HOUSE_POLICIES, type House } from './house';
import { broken } from './oracle';
import { People } from './people';
import { aPostgresTarget, type PostgresTarget, type TargetOptions } from './postgres-target';
import type { TargetServer } from './target-server';

const PATIENCE_MS = 60_000;

const POLICIES = {
  ...HOUSE_POLICIES,
  policies: [
    {
      file: 'any.cedar',
      text: `@id("any") @approval("none") @maxDuration("4h")
        permit (principal in Group::"on-call", action == Action::"request", resource);`,
    },
  ],
};

/** A grant that is in use. */
export interface InUse {
  readonly id: string;
  /** The name of its role. */
  readonly role: string;
  readonly credential: Secret<Credential>;
  readonly session: pg.Client;
}

/** A house before a real PostgreSQL target, of which `olga` is granted what she asks for. */
export class GrantsAt {
  private constructor(
    readonly house: House,
    readonly server: TargetServer,
    readonly target: PostgresTarget,
    private readonly people: People,
    private readonly olga: Asker,
  ) {}

  /** @param port where the house finds the server; without it where it is */
  static async a(
    server: TargetServer,
    { port, ...options }: TargetOptions & { port?: number } = {},
  ): Promise<GrantsAt> {
    const house = await aHouse(POLICIES);
    const target = await aPostgresTarget(server, options);
    const { connection, read, make } = target;
    const file = {
      name: 'real',
      kind: 'postgres',
      owner: 'owners',
      connection: { ...connection, ...(port !== undefined && { port }) },
      entitlements: { read: read.config, make: make.config },
    };
    const [people, olga] = await Promise.all([People.of(house), house.person('olga')]);
    await house.as(olga, (tx) => house.targets.add(tx, 'demo', { file, password: target.access.password }));
    return new GrantsAt(house, server, target, people, olga);
  }

  async close(): Promise<void> {
    await this.house.close();
  }

  ask(entitlement: 'read' | 'make' = 'make', durationSeconds = 600): Promise<string> {
    return this.people.granted({ entitlements: [`real/${entitlement}`], by: this.olga, durationSeconds });
  }

  look(id: string): Promise<GrantLife> {
    return this.people.grant(id, this.olga);
  }

  /** Lets everybody do their work until it has come to that. @throws when it does not */
  async until(id: string, state: string): Promise<GrantLife> {
    const worked = async (): Promise<GrantLife | undefined> => {
      await this.house.deadlines.endDue();
      await this.house.work();
      const grant = await this.look(id);
      return grant.state === state ? grant : undefined;
    };
    const grant = await waitFor(worked, PATIENCE_MS, 50);
    if (!grant) throw new Error(`it is ${JSON.stringify(await this.look(id))}, and was to be ${state}`);
    return grant;
  }

  async pickUp(id: string): Promise<Secret<Credential>> {
    const { house, olga } = this;
    const picked = await house.as(olga, (tx) => house.credentials.pickUp(tx, olga, id));
    if (!('credential' in picked)) throw picked.refused;
    return picked.credential;
  }

  async use(durationSeconds = 600, entitlement: 'read' | 'make' = 'make'): Promise<InUse> {
    const id = await this.ask(entitlement, durationSeconds);
    await this.until(id, 'active');
    const credential = await this.pickUp(id);
    const [row] = await this.house.owner.query<{ installation: string }[]>(
      'SELECT left(id::text, 8) AS installation FROM installation',
    );
    const role = objectName({ installation: row!.installation, grantId: id });
    return { id, role, credential, session: await this.target.use(credential) };
  }

  async replace(id: string): Promise<void> {
    await this.house.as(this.olga, (tx) => this.house.credentials.replace(tx, this.olga, id));
  }

  async release(id: string): Promise<void> {
    await this.house.as(this.olga, (tx) => this.house.grants.release(tx, this.olga, id));
  }

  /** What the oracle finds wrong, at the server too. */
  broken(): Promise<string[]> {
    const query = (sql: string, parameters: unknown[] = []): Promise<unknown> => this.#asSuperuser(sql, parameters);
    return broken(this.house.owner, { server: { query } });
  }

  async #asSuperuser(sql: string, parameters: unknown[]): Promise<unknown> {
    const client = await this.server.connect();
    try {
      return (await client.query(sql, parameters)).rows;
    } finally {
      await client.end();
    }
  }
}
