/**
 * Accounts (`<connection>/<subject>`) that are one person's, as far as anybody knows: each list is somebody. Whoever is in
 * none is somebody of their own.
 */
export type SamePeople = readonly (readonly string[])[];

/** Whose account it is: the same for two that are one person's. The one way in which approvers are counted, as decisions count them. */
export function whose(same: SamePeople = []): (account: string) => string {
  const people = new Map(same.flatMap((accounts) => accounts.map((account) => [account, accounts[0] ?? account])));
  return (account) => people.get(account) ?? account;
}

/** One account of each person among these, the first. */
export function eachPerson(accounts: readonly string[], same?: SamePeople): readonly string[] {
  const personOf = whose(same);
  const people = new Set<string>();
  return accounts.filter((account) => people.size < people.add(personOf(account)).size);
}
