import { Secret } from '@app/kernel';
import { describeEndsManyContract, type ManySubject } from '../../../test/support/ends-many-contract';
import { FakeTargetOfMany } from '../../../test/support/fake-target-of-many';
import { describeProviderContract } from '../../../test/support/provider-contract';

async function start(): Promise<ManySubject> {
  let ahead = 0;
  const now = (): Date => new Date(Date.UTC(2030, 0, 1) + ahead);
  const provider = new FakeTargetOfMany(now);
  provider.system('far').away = true;
  provider.system('trusting').takesAnyPassword = true;
  const target = provider.access();
  const entitlement = { name: 'read', config: { right: 'read' } };
  return {
    provider,
    target,
    entitlement,
    trusting: { target: provider.access('trusting'), entitlement },
    refused: { ...target, password: new Secret('not the password') },
    unreachable: provider.access('far'),
    interrupted: async (steps) => provider.access('main', { breaksAfter: steps }),
    use: async (credential) => {
      const { username, password } = credential.reveal().fields;
      const session = provider.system().login(username ?? '', password ?? '');
      return { isAlive: async () => session.isAlive() };
    },
    clock: now,
    now: async () => now(),
    reach: async (instant) => {
      ahead = instant.getTime() + 1 - Date.UTC(2030, 0, 1);
    },
    secrets: [provider.system().adminPassword],
    close: async () => undefined,
  };
}

describeProviderContract('the fake', start);
describeEndsManyContract('the fake', start);
