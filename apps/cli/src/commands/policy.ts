import type { Command } from 'commander';
import { parseDuration } from '@app/kernel';
import type { Act } from '../act';
import type { Context } from '../context';
import { EXIT } from '../exit-codes';
import { UsageError } from '../failure';
import { readPolicyFolder } from '../policy-folder';
import { isEntitlement } from '../service/resolve';
import type { Explanation, PolicyCheck } from '../service/shapes';
import { visible, visibleLines } from '../terminal/visible';
import { approvalWords, durationWords } from './words';

export function addPolicyCommands(program: Command, act: Act): void {
  const policy = program.command('policy').description('who may ask for what, and who decides');
  policy
    .command('check')
    .description('say what is wrong with policy files, by file and line; changes nothing')
    .argument('[folder]', 'where they are', 'policies')
    .action(act<[string]>(check));
  policy
    .command('reload')
    .description("put the service's own policy files into force; an invalid set changes nothing")
    .action(act<[]>(reload));
  policy
    .command('explain')
    .description('say, policy by policy, why you may or may not ask for something')
    .argument('<entitlement>', 'as target/entitlement')
    .option('--for <duration>', 'for how long', '30m')
    .option('--identity <id>', 'for somebody else, if you oversee them')
    .action(act<[string], { for: string; identity?: string }>(explain));
}

async function check({ api, terminal }: Context, _: object, folder: string): Promise<number> {
  const read = readPolicyFolder(folder);
  const result: PolicyCheck =
    'problems' in read
      ? { ok: false, problems: read.problems }
      : await api.post<PolicyCheck>('/v1/policies/checks', read.files);
  terminal.show(result, () => {
    if (result.ok)
      return [
        `${terminal.paint('green', '✓')} The files are right. Their version is ${visible(result.version ?? '').slice(0, 12)}.`,
      ];
    return result.problems.map(
      ({ file, line, message }) =>
        `${terminal.paint('bold', `${folder}/${visible(file)}:${line}`)}: ${visible(message)}`,
    );
  });
  return result.ok ? EXIT.ok : EXIT.found;
}

async function reload({ api, terminal }: Context): Promise<void> {
  const result = await api.post<{ version: string; changed: boolean }>('/v1/policies/reload');
  const version = visible(result.version).slice(0, 12);
  terminal.show(result, () => [
    result.changed
      ? `${terminal.paint('green', '✓')} Version ${version} is in force.`
      : `Nothing has changed: version ${version} is in force.`,
  ]);
}

async function explain(
  { api, asTyped, terminal }: Context,
  options: { for: string; identity?: string },
  entitlement: string,
): Promise<number> {
  if (!isEntitlement(entitlement))
    throw new UsageError(`not an entitlement: ${entitlement.slice(0, 60)}`, 'Write target/entitlement.');
  const durationSeconds = parseDuration(options.for);
  const identity = options.identity === undefined ? {} : { identityId: options.identity };
  const explanation = await api.post<Explanation>('/v1/policies/explanations', {
    entitlement,
    durationSeconds,
    ...identity,
  });
  terminal.show(explanation, () => explanationWords(explanation, terminal.paint, asTyped));
  return explanation.verdict.allowed ? EXIT.ok : EXIT.refused;
}

const OUTCOMES = {
  matches: 'matches',
  scope: 'is about something else',
  condition: 'a condition does not hold',
  error: 'could not be evaluated',
} as const;

function explanationWords(
  { verdict, policies }: Explanation,
  paint: Context['terminal']['paint'],
  asTyped: Context['asTyped'],
): string[] {
  const lines = policies
    // What is about something else says nothing to anybody, unless nothing else is there.
    .filter(({ outcome }, _, all) => outcome !== 'scope' || all.every((each) => each.outcome === 'scope'))
    .flatMap((policy) => [
      '',
      `  ${mark(policy, paint)} ${paint('bold', visible(policy.policy))} ${paint('dim', `${visible(policy.file)}:${policy.line}`)}  ${policy.effect}: ${OUTCOMES[policy.outcome]}`,
      ...[policy.description, ...(policy.outcome === 'matches' ? [] : [policy.because, policy.error])].flatMap(
        (text) => (text === undefined ? [] : visibleLines(text).map((line) => `      ${line}`)),
      ),
      ...(policy.terms
        ? [
            `      up to ${durationWords(policy.terms.maxDurationSeconds)}${policy.tooLong === true ? paint('red', ', less than asked') : ''}; approved by ${visible(approvalWords(policy.terms.approval))}`,
          ]
        : []),
    ]);
  const head = verdict.allowed
    ? [`${paint('green', '✓')} This may be asked for.`]
    : [
        `${paint('red', '✗')} ${visible(verdict.refusal.message)}`,
        ...(verdict.refusal.advice === undefined ? [] : [`  ${visible(asTyped(verdict.refusal.advice))}`]),
      ];
  return [...head, ...lines];
}

function mark(
  { effect, outcome, tooLong }: Explanation['policies'][number],
  paint: Context['terminal']['paint'],
): string {
  if (outcome === 'error') return paint('red', '!');
  if (outcome !== 'matches') return paint('dim', '·');
  return effect === 'permit' && tooLong !== true ? paint('green', '✓') : paint('red', '✗');
}
