import type { DataSource } from 'typeorm';
import { Connection } from './connection.entity';

export interface ConnectionSettings {
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly groupClaim: string | null;
}

/** The ways to sign in that there are. */
export class Connections {
  constructor(private readonly database: DataSource) {}

  /** Makes the connection of this name what the settings say. Its identities stay, also when the issuer moves. */
  async ensure(settings: ConnectionSettings): Promise<Connection> {
    const { name, issuer, clientId, groupClaim } = settings;
    await this.database.query(
      `INSERT INTO connections (name, issuer, client_id, group_claim) VALUES ($1, $2, $3, $4)
       ON CONFLICT (name) DO UPDATE
       SET issuer = excluded.issuer, client_id = excluded.client_id, group_claim = excluded.group_claim,
           updated_at = clock_timestamp()
       WHERE (connections.issuer, connections.client_id, connections.group_claim)
         IS DISTINCT FROM (excluded.issuer, excluded.client_id, excluded.group_claim)`,
      [name, issuer, clientId, groupClaim],
    );
    return this.database.manager.findOneByOrFail(Connection, { name });
  }
}
