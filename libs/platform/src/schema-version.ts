import type { DataSource } from 'typeorm';
import { AppError } from '@app/kernel';

/** The last file of `migrations/` that this build knows. */
export const SCHEMA_VERSION = 12;

export class WrongSchemaVersion extends AppError {
  constructor(found: number) {
    super({
      kind: 'invalid',
      code: 'platform.wrong_schema_version',
      message: 'the database has another schema version than this build',
      advice: 'Run the migration step of this version (`curfew-migrate`); processes never migrate.',
      details: { found, needed: SCHEMA_VERSION },
    });
  }
}

export class MigrationsChanged extends AppError {
  constructor(cause: unknown) {
    super({
      kind: 'invalid',
      code: 'platform.migration_failed',
      message: 'the migration did not go through, and nothing was changed',
      advice: 'A migration that ran once must never be edited: write a new file.',
      cause,
    });
  }
}

export class NotThisDatabase extends AppError {
  constructor(role: string, owner: string) {
    super({
      kind: 'conflict',
      code: 'platform.role_taken',
      message: 'the role belongs to another Curfew on this server',
      advice: 'Roles are shared by all databases of a server: one Curfew per PostgreSQL server.',
      details: { role, owner },
    });
  }
}

/** @throws WrongSchemaVersion: processes never migrate, and refuse to run on another version */
export async function assertSchemaVersion(database: DataSource): Promise<void> {
  const [exists] = await database.query<{ present: boolean }[]>(
    `SELECT to_regclass('public.schema_version') IS NOT NULL AS present`,
  );
  if (!exists?.present) throw new WrongSchemaVersion(0);
  const [row] = await database.query<{ version: number }[]>(
    'SELECT max(version)::integer AS version FROM schema_version',
  );
  if (row?.version !== SCHEMA_VERSION) throw new WrongSchemaVersion(row?.version ?? 0);
}
