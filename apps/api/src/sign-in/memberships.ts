import type { Person } from '@app/identity';

/** Which groups of Curfew's somebody is in: the files that apply say so. */
export abstract class Memberships {
  abstract of(person: Person): Promise<readonly string[]>;
}
