import type { DataSource } from 'typeorm';
import type { ClaimedPerson } from './claims';

/** The people who have signed in. */
export class Identities {
  constructor(private readonly database: DataSource) {}

  /** The identity of a person at a connection, made when they come for the first time. Name and e-mail follow the provider. */
  async ensure(connectionId: string, person: ClaimedPerson): Promise<string> {
    const [row] = await this.database.query<{ id: string }[]>(
      `INSERT INTO identities (kind, connection_id, subject, name, email) VALUES ('human', $1, $2, $3, $4)
       ON CONFLICT (connection_id, subject) DO UPDATE SET name = excluded.name, email = excluded.email
       RETURNING id`,
      [connectionId, person.subject, person.name, person.email],
    );
    if (!row) throw new Error('an identity was not written');
    if (person.address !== null) {
      await this.database.query(
        'INSERT INTO identity_addresses (identity_id, address) VALUES ($1, lower($2)) ON CONFLICT DO NOTHING',
        [row.id, person.address],
      );
    }
    return row.id;
  }
}
