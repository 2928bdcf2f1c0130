import type { EntityManager } from 'typeorm';
import { sharedAccounts } from '@app/identity';
import { membersOf, type PolicySet, type SamePeople, type SeenMembers } from '@app/policy';
import { accountOf, memberOf } from './facts';

/** Of a group with more there is always somebody else who could decide. */
export const ENOUGH_MEMBERS = 1_000;

/**
 * Which accounts are one person's, among those on all lists: for policies before they come into force. Decisions count them
 * as one, so the checks before do too.
 */
export function samePeopleListed(manager: EntityManager, { groups }: PolicySet): Promise<SamePeople> {
  return samePeople(
    manager,
    [...groups.groups.values()].flatMap((group) => (group.source === 'file' ? group.members : [])),
  );
}

/** The same among those who approve by these policies, as far as they are known: for somebody who asks. */
export function samePeopleWhoApprove(
  manager: EntityManager,
  { groups, rules }: PolicySet,
  seen: SeenMembers,
): Promise<SamePeople> {
  const approvals = rules.flatMap(({ terms }) => (terms && terms.approval !== 'none' ? [terms.approval] : []));
  const members = [...new Set(approvals.map(({ group }) => group))].map((name) => membersOf(groups, name, seen) ?? []);
  return samePeople(manager, members.filter(({ length }) => length < ENOUGH_MEMBERS).flat());
}

async function samePeople(manager: EntityManager, members: readonly string[]): Promise<SamePeople> {
  const shared = await sharedAccounts(manager, members.map(accountOf));
  return shared.map((accounts) => accounts.map(memberOf));
}
