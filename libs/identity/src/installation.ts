import type { EntityManager } from 'typeorm';

/** What tells this Curfew from any other. */
export async function installationId(manager: EntityManager): Promise<string> {
  const [row] = await manager.query<{ id: string }[]>('SELECT id FROM installation');
  if (!row) throw new Error('the installation has no id');
  return row.id;
}
