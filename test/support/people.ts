import { Secret } from '@app/kernel';
import type { Asker, GrantLife, RequestView } from '@app/access';
import type { House } from './house';

export interface Asked {
  readonly entitlements?: readonly string[];
  readonly durationSeconds?: number;
  readonly by?: Asker;
}

/** What people of a house do in most stories, a line each: `ada`, an engineer, asks; `ben`, an owner, decides. */
export class People {
  private constructor(
    private readonly house: House,
    readonly ada: Asker,
    readonly ben: Asker,
  ) {}

  static async of(house: House): Promise<People> {
    const [ada, ben] = await Promise.all([house.person('ada'), house.person('ben')]);
    return new People(house, ada, ben);
  }

  /** @returns the request */
  ask({ entitlements = ['db/read'], durationSeconds = 600, by = this.ada }: Asked = {}): Promise<string> {
    const order = { entitlements, durationSeconds, reason: new Secret('INC-4711') };
    return this.house.as(by, (tx) => this.house.requests.open(tx, by, order));
  }

  request(id: string, by = this.ada): Promise<RequestView> {
    return this.house.views.requests.get(this.house.api.manager, by, id);
  }

  /** With the hash that whoever decides is shown: what the request named when it was made. */
  async decide(id: string, verdict: 'approve' | 'deny' = 'approve', by = this.ben): Promise<void> {
    const { scopeHash } = await this.request(id, by);
    await this.house.as(by, (tx) => this.house.decisions.decide(tx, by, id, { verdict, scopeHash }));
  }

  /** Asks, and has it approved by as many as it takes. @returns the grant, which has not begun */
  async granted(asked: Asked = {}): Promise<string> {
    const id = await this.ask(asked);
    for (const approver of ['ben', 'bob']) {
      const { state, grants } = await this.request(id, asked.by);
      if (state === 'approved') return grants[0]!.id;
      await this.decide(id, 'approve', await this.house.person(approver));
    }
    return (await this.request(id, asked.by)).grants[0]!.id;
  }

  grant(id: string, by = this.ada): Promise<GrantLife> {
    return this.house.views.grants.get(this.house.api.manager, by, id);
  }

  pickUp(id: string): ReturnType<House['credentials']['pickUp']> {
    return this.house.as(this.ada, (tx) => this.house.credentials.pickUp(tx, this.ada, id));
  }

  /** Their sign-in shows these groups of their provider, for so long. */
  claim(asker: Asker, groups: readonly string[], lastSeconds = 3_600): Promise<void> {
    return this.house.owner.transaction(async (tx) => {
      await tx.query(`DELETE FROM group_members WHERE subject = $1 AND source = 'claim'`, [asker.subject]);
      await tx.query(
        `INSERT INTO group_members (source, connection, subject, expires_at, group_name)
         SELECT 'claim', 'test', $1, clock_timestamp() + make_interval(secs => $3), * FROM unnest($2::text[])`,
        [asker.subject, groups, lastSeconds],
      );
    });
  }
}
