import { isIP } from 'node:net';
import type { CedarRequest } from './cedar';
import type { ActContext, ActFacts, PrincipalFacts, RequestContext, ResourceFacts } from './facts';
import type { GroupsFile } from './groups';
import { InvalidFacts } from './policy.errors';
import { ACTIONS, INSTALLATION, type Action } from './schema';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MAX_NAME = 1_024;
const V4_IN_V6 = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/**
 * Facts as Cedar takes them, each as data and each checked: two different names never become one entity, and nothing
 * reaches Cedar that would make it throw.
 *
 * @throws InvalidFacts
 */
export function toCedarRequest(action: Action, facts: ActFacts, groups: GroupsFile): CedarRequest {
  const applies: readonly string[] = ACTIONS[action];
  if (!applies.includes(facts.resource.type)) throw new InvalidFacts('resource.type');
  const resource = resourceEntities(facts.resource);
  const principal = principalEntity(facts.principal, groups);
  return {
    principal: principal.uid,
    action: { type: 'Action', id: action },
    resource: resource.uid,
    context: toContext(facts.context),
    entities: [principal, ...resource.entities],
  };
}

/**
 * The groups that count. One that nobody declared does not; in one whose members stand in the file, nobody is who does
 * not stand there too, whatever a row or a claim says.
 */
export function effectiveGroups({ connection, subject, groups }: PrincipalFacts, declared: GroupsFile): string[] {
  const member = `${connection}/${subject}`;
  return [...new Set(groups)].filter((name) => {
    const group = declared.groups.get(name);
    return group?.source === 'file' ? group.members.includes(member) : group?.connection === connection;
  });
}

export function assertUuid(id: string, fact: string): void {
  if (!UUID.test(id)) throw new InvalidFacts(fact);
}

/** Sockets write an IPv4 client as `::ffff:10.0.0.1`, which Cedar refuses and no IPv4 range would match. */
export function normalAddress(address: string): string {
  const plain = address.toLowerCase().replace(/%.*$/, '');
  if (isIP(plain) === 4) return plain;
  if (isIP(plain) !== 6) throw new InvalidFacts('context.clientAddress');
  const canonical = new URL(`http://[${plain}]/`).hostname.slice(1, -1);
  const [, high, low] = V4_IN_V6.exec(canonical) ?? [];
  if (high === undefined || low === undefined) return canonical;
  const words = [parseInt(high, 16), parseInt(low, 16)];
  return words.flatMap((word) => [word >> 8, word & 255]).join('.');
}

function principalEntity(facts: PrincipalFacts, groups: GroupsFile) {
  assertUuid(facts.id, 'principal.id');
  const connection = name(facts.connection, 'principal.connection');
  if (connection.includes('/')) throw new InvalidFacts('principal.connection');
  return {
    uid: { type: 'Human', id: facts.id },
    attrs: { connection, subject: name(facts.subject, 'principal.subject') },
    parents: effectiveGroups(facts, groups).map((id) => ({ type: 'Group', id })),
  };
}

function resourceEntities(facts: ResourceFacts) {
  if (facts.type === 'installation') return { uid: { type: 'Installation', id: INSTALLATION }, entities: [] };
  // "a/b" + "c" must not be "a" + "b/c".
  if (facts.target.includes('/')) throw new InvalidFacts('resource.target');
  const kind = name(facts.kind, 'resource.kind');
  const owner = { __entity: { type: 'Group', id: name(facts.owner, 'resource.owner') } };
  const target = { type: 'Target', id: name(facts.target, 'resource.target') };
  const entities = [{ uid: target, attrs: { kind, owner }, parents: [] as { type: string; id: string }[] }];
  if (facts.type === 'target') return { uid: target, entities };
  const entitlement = name(facts.entitlement, 'resource.entitlement');
  const uid = { type: 'Entitlement', id: `${target.id}/${entitlement}` };
  return { uid, entities: [...entities, { uid, attrs: { name: entitlement, kind, owner }, parents: [target] }] };
}

function toContext(context: ActContext | RequestContext): CedarRequest['context'] {
  return {
    signInAgeSeconds: whole(context.signInAgeSeconds, 0, 'context.signInAgeSeconds'),
    ...('durationSeconds' in context && {
      durationSeconds: whole(context.durationSeconds, 1, 'context.durationSeconds'),
    }),
    ...(context.clientAddress !== undefined && {
      clientAddress: { __extn: { fn: 'ip', arg: normalAddress(context.clientAddress) } },
    }),
  };
}

function name(text: string, fact: string): string {
  if (text.length < 1 || text.length > MAX_NAME || !text.isWellFormed()) throw new InvalidFacts(fact);
  return text;
}

function whole(value: number, atLeast: number, fact: string): number {
  if (!Number.isSafeInteger(value) || value < atLeast) throw new InvalidFacts(fact);
  return value;
}
