import { Clock } from '@app/kernel';
import type { Account, Caller, Person } from '@app/identity';
import type { ActContext, EntitlementFacts, GroupsFile, PolicySet, PrincipalFacts, TargetFacts } from '@app/policy';
import type { Offered } from './asked';
import type { Target } from './target.entity';

/** Who is asking the services of this library: a caller, and where from. */
export interface Asker extends Caller {
  readonly address?: string | undefined;
}

/** How lists name somebody. */
export const memberOf = ({ connection, subject }: Account): string => `${connection}/${subject}`;

/** The reverse of {@link memberOf}. */
export function accountOf(member: string): Account {
  const slash = member.indexOf('/');
  return { connection: member.slice(0, slash), subject: member.slice(slash + 1) };
}

/** The groups that somebody is in by these files: listed there, or vouched for by their sign-in. */
export function groupsOf(person: Person, { groups }: GroupsFile): string[] {
  const member = memberOf(person);
  return [...groups].flatMap(([name, group]) => {
    const isMember =
      group.source === 'file'
        ? group.members.includes(member)
        : group.connection === person.connection && person.claims.includes(group.value);
    return isMember ? [name] : [];
  });
}

export function principalOf(person: Person, policies: PolicySet): PrincipalFacts {
  return {
    kind: 'human',
    id: person.identityId,
    connection: person.connection,
    subject: person.subject,
    groups: groupsOf(person, policies.groups),
  };
}

export function targetFacts(target: Target): TargetFacts {
  return { type: 'target', target: target.name, kind: target.kind, owner: target.ownerGroup };
}

export function entitlementFacts({ target, entitlement }: Offered): EntitlementFacts {
  return { ...targetFacts(target), type: 'entitlement', entitlement: entitlement.name };
}

/** The facts of an act that is judged now. */
export function actContext(asker: Asker, clock: Clock): ActContext {
  return contextOf({ signedInAt: asker.signedInAt, at: clock.now(), address: asker.address });
}

/** The facts of the kind "asked" of something that was judged at a moment. Ages are whole seconds, and never negative. */
export function contextOf(facts: { signedInAt: Date; at: Date; address?: string | undefined }): ActContext {
  return {
    signInAgeSeconds: Math.max(0, Math.floor((facts.at.getTime() - facts.signedInAt.getTime()) / 1_000)),
    ...(facts.address === undefined ? {} : { clientAddress: facts.address }),
  };
}
