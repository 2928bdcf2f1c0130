import { schemaToJson } from '@cedar-policy/cedar-wasm/nodejs';
import { expect, it } from 'vitest';
import { ACTIONS, FACT_SOURCES, OPTIONAL_FACTS, SCHEMA } from './schema';

const answer = schemaToJson(SCHEMA);
const house = answer.type === 'success' ? answer.json[''] : undefined;

const OWNER: Readonly<Record<string, string>> = {
  Asking: 'context',
  Acting: 'context',
  Human: 'principal',
  Target: 'resource',
  Entitlement: 'resource',
};
const entities = Object.entries(house?.entityTypes ?? {}).flatMap(([type, definition]) =>
  'shape' in definition ? [[type, definition.shape] as const] : [],
);
/** Every attribute by the name of its fact, and whether it may be missing. */
const attributes = Object.entries({ ...house?.commonTypes, ...Object.fromEntries(entities) }).flatMap(([shape, type]) =>
  Object.entries((type as { attributes: Record<string, { required?: boolean }> }).attributes).map(
    ([attribute, { required = true }]) => ({ fact: `${OWNER[shape] ?? shape}.${attribute}`, required }),
  ),
);

it('declares every attribute as asked or live, and nothing else', () => {
  const names = attributes.map(({ fact }) => fact);
  const declared = Object.keys(FACT_SOURCES).filter((fact) => !fact.includes(' in '));
  expect([...new Set(names)].toSorted()).toEqual(declared.toSorted());
});

it('says which of them may be missing', () => {
  const optional = attributes.filter(({ required }) => !required).map(({ fact }) => fact);
  expect(new Set(optional)).toEqual(OPTIONAL_FACTS);
});

it('names the same actions and resources as the code', () => {
  const actions = Object.entries(house?.actions ?? {}).map(([action, { appliesTo }]) => [
    action,
    appliesTo?.resourceTypes.map((type) => type.toLowerCase()),
  ]);
  expect(Object.fromEntries(actions)).toEqual(ACTIONS);
});
