import { createHash } from 'node:crypto';
import { countPolicies, validatePolicies } from './cedar';
import { fromByteOffset, problemAt, splitPolicies, tooComplex } from './cedar-text';
import { readGroups, type GroupsFile } from './groups';
import { PolicyInvalid, type PolicyProblem } from './policy.errors';
import { byCodeUnits, MAX_FILE_BYTES, type PolicyFiles, type PolicySource } from './policy-source';
import { PolicySet } from './policy-set';
import { readRule, type Report, type Rule } from './rule';
import { checkNames, checkSatisfiable, checkUnique } from './rule-checks';
import type { SamePeople } from './same-people';
import { SCHEMA } from './schema';

/**
 * Turns files into a set that answers, or into everything that is wrong with them. Nothing of an invalid set is used.
 *
 * @throws PolicyInvalid with every problem, by file and line
 */
export function compilePolicies(policies: readonly PolicySource[], groups: GroupsFile): PolicySet {
  const { rules, problems } = readRules(policies, groups);
  return finish({ policies, groups, rules, problems });
}

/** The same for the files of a folder, problems of `groups.yaml` included. */
export function compilePolicyFiles(files: PolicyFiles): PolicySet {
  const { groups, problems } = readGroups(files.groups);
  // With half of the groups unread, complaints about names would be noise.
  const { rules, problems: others } = readRules(files.policies, groups, problems.length === 0);
  return finish({ policies: files.policies, groups, rules, problems: [...problems, ...others] });
}

/**
 * The same promise with what only the service knows: which accounts on the lists are one person's. A rule of which that came
 * out while it was in force keeps no change of others from being made.
 *
 * @throws PolicyInvalid
 */
export function assertDecidable(policies: PolicySet, samePeople: SamePeople, inForce?: PolicySet): void {
  if (samePeople.length === 0) return;
  const before = new Set(inForce ? undecidable(inForce, samePeople).map(({ id }) => id) : []);
  const problems = undecidable(policies, samePeople).flatMap((rule) => (before.has(rule.id) ? [] : rule.problems));
  if (problems.length > 0) throw invalid(problems);
}

function undecidable({ rules, groups }: PolicySet, samePeople: SamePeople) {
  return rules
    .map((rule) => {
      const problems: PolicyProblem[] = [];
      checkSatisfiable(rule, { rules, groups, samePeople }, (problem) => problems.push(problem));
      return { id: rule.id, problems };
    })
    .filter(({ problems }) => problems.length > 0);
}

interface Read {
  readonly rules: readonly Rule[];
  readonly problems: readonly PolicyProblem[];
}

interface Draft extends Read {
  readonly policies: readonly PolicySource[];
  readonly groups: GroupsFile;
}

function finish({ policies, groups, rules, problems }: Draft): PolicySet {
  if (problems.length > 0) throw invalid(problems);
  return new PolicySet(versionOf(policies, groups), groups, rules);
}

const invalid = (problems: readonly PolicyProblem[]): PolicyInvalid =>
  new PolicyInvalid(problems.toSorted((a, b) => byCodeUnits(a.file, b.file) || a.line - b.line));

function readRules(sources: readonly PolicySource[], groups: GroupsFile, groupsAreWhole = true): Read {
  const problems: PolicyProblem[] = [];
  const report: Report = (problem) => {
    problems.push(problem);
  };
  checkSources(sources, groups, report);
  const ordered = sources.toSorted((a, b) => byCodeUnits(a.file, b.file));
  const rules = ordered.flatMap((source) => readSource(source, report));
  checkUnique(rules, report);
  const sound = checkTypes(rules, report);
  if (groupsAreWhole) {
    for (const rule of rules) checkNames(rule, groups, report);
    for (const rule of sound) checkSatisfiable(rule, { rules: sound, groups }, report);
  }
  return { rules, problems };
}

function checkSources(sources: readonly PolicySource[], groups: GroupsFile, report: Report): void {
  if (sources.length === 0)
    report({ file: groups.file, line: 1, message: 'there is no *.cedar file beside it: nothing would be permitted' });
  const files = new Set<string>();
  for (const { file } of sources) {
    if (files.has(file)) report({ file, line: 1, message: 'two files of this name' });
    files.add(file);
  }
}

function readSource(source: PolicySource, report: Report): Rule[] {
  const { file, text } = source;
  if (text.length > MAX_FILE_BYTES || !text.isWellFormed()) {
    report({ file, line: 1, message: 'this file is larger than 1 MiB, or not Unicode' });
    return [];
  }
  const rules: Rule[] = [];
  let broken = false;
  const noteBroken: Report = (problem) => {
    broken = true;
    report(problem);
  };
  const policies = splitPolicies(source);
  for (const policy of policies) {
    const complex = tooComplex(policy);
    if (complex) noteBroken(complex);
    else rules.push(...[readRule(policy, noteBroken)].filter((rule) => rule !== undefined));
  }
  // Our cut against Cedar's own reading of the whole file: a policy must not slip through between the two.
  if (!broken && countPolicies(text) !== policies.length)
    report({ file, line: 1, message: 'this file cannot be cut into policies' });
  return rules;
}

/** Those in which Cedar finds nothing wrong. */
function checkTypes(rules: readonly Rule[], report: Report): readonly Rule[] {
  const found = validatePolicies(Object.fromEntries(rules.map(({ source }, index) => [`policy${index}`, source.text])));
  return rules.filter(({ source }, index) => {
    const errors = found.get(`policy${index}`) ?? [];
    for (const { message, byte } of errors) report(problemAt(source, message, fromByteOffset(source.text, byte ?? 0)));
    return errors.length === 0;
  });
}

/** The same files give the same version, in whatever order they are read; any other content gives another. */
function versionOf(sources: readonly PolicySource[], { groups }: GroupsFile): string {
  const content = {
    format: 'curfew.policies.1',
    schema: SCHEMA,
    policies: sources.map(({ file, text }) => [file, text] as const).toSorted(([a], [b]) => byCodeUnits(a, b)),
    groups: [...groups]
      .toSorted(([a], [b]) => byCodeUnits(a, b))
      .map(([name, group]) =>
        group.source === 'file'
          ? [name, 'file', ...group.members.toSorted(byCodeUnits)]
          : [name, 'claim', group.connection, group.value],
      ),
  };
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}
