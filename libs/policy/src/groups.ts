import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Pair,
} from 'yaml';
import { PolicyInvalid, type PolicyProblem } from './policy.errors';
import { MAX_FILE_BYTES, type PolicySource } from './policy-source';

/** A group either lists its members, or says who vouches for them. */
export type Group =
  | {
      readonly source: 'file';
      /** `<connection>/<subject>` each. Nobody else is a member, whatever anybody claims. */
      readonly members: readonly string[];
    }
  | {
      readonly source: 'claim';
      /** Only sign-ins through this connection can make members. */
      readonly connection: string;
      /** What the provider calls the group, in the connection's group claim. */
      readonly value: string;
    };

export interface GroupsFile {
  readonly file: string;
  readonly groups: ReadonlyMap<string, Group>;
}

// Plain ASCII on purpose: no two names that look alike.
const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/;
const CONNECTION = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
// OpenID Connect Core 1.0, section 2: `sub` is at most 255 ASCII characters.
const MEMBER = new RegExp(`^${CONNECTION}/[\\x21-\\x7e]{1,255}$`);
const VALUE = /^[^\p{C}]{1,255}$/u;

/**
 * Reads `groups.yaml`:
 *
 * ```yaml
 * groups:
 *   engineers: [embedded/ada, embedded/dan]
 *   nobody-yet: []
 *   on-call: { source: claim, connection: corp, value: Platform on-call }
 * ```
 *
 * @throws PolicyInvalid with every problem
 */
export function parseGroups(source: PolicySource): GroupsFile {
  const { groups, problems } = readGroups(source);
  if (problems.length > 0) throw new PolicyInvalid(problems);
  return groups;
}

/** What could be read of it, and what is wrong with the rest. */
export function readGroups(source: PolicySource): { groups: GroupsFile; problems: PolicyProblem[] } {
  const reader = new GroupsReader(source);
  return { groups: { file: source.file, groups: reader.read() }, problems: reader.problems };
}

class GroupsReader {
  readonly problems: PolicyProblem[] = [];
  readonly #lines = new LineCounter();
  readonly #groups = new Map<string, Group>();

  constructor(private readonly source: PolicySource) {}

  read(): ReadonlyMap<string, Group> {
    if (this.source.text.length > MAX_FILE_BYTES) this.#problem('this file is larger than 1 MiB');
    else this.#readDocument();
    return this.#groups;
  }

  #readDocument(): void {
    const document = parseDocument(this.source.text, { version: '1.2', lineCounter: this.#lines, prettyErrors: false });
    for (const error of [...document.errors, ...document.warnings]) this.#problem(error.message, error.pos[0]);
    this.#refuseIndirection(document);
    if (this.problems.length > 0) return;
    const root: unknown = document.contents;
    const [pair, ...others] = isMap(root) ? root.items : [];
    if (!pair || keyOf(pair) !== 'groups' || !isMap(pair.value)) {
      this.#problem('the file is one map, `groups:`, from the name of each group to its members', at(root));
      return;
    }
    for (const other of others) this.#problem('there is nothing but `groups:` in this file', at(other.key));
    for (const item of pair.value.items) this.#readGroup(item);
  }

  /** What stands in the file is what is meant: nothing is defined in one place and meant in another. */
  #refuseIndirection(document: Document): void {
    visit(document, (_key, node) => {
      if (!isNode(node)) return;
      const anchored = !isAlias(node) && node.anchor !== undefined;
      if (isAlias(node) || anchored || node.tag !== undefined)
        this.#problem('no anchors, aliases or tags in this file', at(node));
    });
  }

  #readGroup(pair: Pair): void {
    const name = keyOf(pair);
    if (name === undefined || !NAME.test(name)) {
      this.#problem('a group is named with a–z, 0–9, ".", "_" and "-", at most 63 of them', at(pair.key));
      return;
    }
    const group = this.#readMembers(pair);
    if (group) this.#groups.set(name, group);
  }

  #readMembers({ key, value }: Pair): Group | undefined {
    if (isSeq(value)) return { source: 'file', members: this.#readList(value.items) };
    if (isMap(value)) return this.#readClaim(value.items, at(key));
    this.#problem('a group is a list of members ([] for nobody) or { source: claim, connection: … }', at(key));
    return undefined;
  }

  #readList(items: readonly unknown[]): string[] {
    const members = new Set<string>();
    for (const item of items) {
      const member = textOf(item);
      if (member === undefined || !MEMBER.test(member)) {
        this.#problem('a member is <connection>/<subject>, as in embedded/ada', at(item));
      } else if (members.has(member)) this.#problem(`${member} is listed twice`, at(item));
      else members.add(member);
    }
    return [...members];
  }

  #readClaim(items: readonly Pair[], start: number): Group | undefined {
    const before = this.problems.length;
    const fields = new Map(items.flatMap((pair) => this.#readField(pair)));
    const [source, connection, value] = ['source', 'connection', 'value'].map((field) => fields.get(field));
    if (this.problems.length > before) return undefined;
    if (source === 'claim' && connection !== undefined && value !== undefined) return { source, connection, value };
    this.#problem('a claim is written { source: claim, connection: corp, value: Engineers }', start);
    return undefined;
  }

  #readField({ key, value }: Pair): [string, string][] {
    const [field, text] = [textOf(key), textOf(value)];
    const shape = field === undefined ? undefined : CLAIM_FIELDS.get(field);
    if (field !== undefined && text !== undefined && shape?.test(text)) return [[field, text]];
    if (shape) this.#problem(`${field} is malformed`, at(value, key));
    else this.#problem('a claim has source, connection and value, nothing else', at(key));
    return [];
  }

  #problem(message: string, offset = 0): void {
    const line = Math.max(1, this.#lines.linePos(offset).line);
    this.problems.push({ file: this.source.file, line, message: message.split('\n', 1)[0] ?? message });
  }
}

const CLAIM_FIELDS = new Map([
  ['source', /^claim$/],
  ['connection', new RegExp(`^${CONNECTION}$`)],
  ['value', VALUE],
]);

function textOf(node: unknown): string | undefined {
  return isScalar(node) && typeof node.value === 'string' ? node.value : undefined;
}

function keyOf(pair: Pair): string | undefined {
  return textOf(pair.key);
}

function at(...nodes: unknown[]): number {
  for (const node of nodes) if (isNode(node) && node.range) return node.range[0];
  return 0;
}
