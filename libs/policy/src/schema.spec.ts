import { schemaToJson } from '@cedar-policy/cedar-wasm/nodejs';
import { expect, it } from 'vitest';
import { ACTIONS, FACT_SOURCES, SCHEMA } from './schema';

const answer = schemaToJson(SCHEMA);
const house = answer.type === 'success' ? answer.json[''] : undefined;

it('declares every attribute as asked or live, and nothing else', () => {
  const entities = Object.entries(house?.entityTypes ?? {}).flatMap(([type, definition]) =>
    'shape' in definition ? [[type, definition.shape] as const] : [],
  );
  const shapes = { ...house?.commonTypes, ...Object.fromEntries(entities) };
  const owner: Record<string, string> = {
    Asking: 'context',
    Acting: 'context',
    Human: 'principal',
    Target: 'resource',
    Entitlement: 'resource',
  };
  const names = Object.entries(shapes).flatMap(([shape, type]) =>
    Object.keys((type as { attributes: object }).attributes).map(
      (attribute) => `${owner[shape] ?? shape}.${attribute}`,
    ),
  );
  const declared = Object.keys(FACT_SOURCES).filter((fact) => !fact.includes(' in '));
  expect([...new Set(names)].toSorted()).toEqual(declared.toSorted());
});

it('names the same actions and resources as the code', () => {
  const actions = Object.entries(house?.actions ?? {}).map(([action, { appliesTo }]) => [
    action,
    appliesTo?.resourceTypes.map((type) => type.toLowerCase()),
  ]);
  expect(Object.fromEntries(actions)).toEqual(ACTIONS);
});
