import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { alterSignIn, anIdentityStage, aSignIn, type IdentityStage } from '../../../test/support/identity';
import {
  AccessTokenRefused,
  countsAs,
  IdentityUnknown,
  knownMembers,
  namesOf,
  personOf,
  replaceFileGroups,
  sharedAccounts,
} from './index';

let stage: IdentityStage;
beforeAll(async () => void (stage = await anIdentityStage()));
afterAll(() => stage.close());

const claimsOf = async (token: Awaited<ReturnType<typeof aSignIn>>) =>
  stage.callers.get(await stage.accessTokens.verify(token.accessToken));

describe('callers', () => {
  it('are who signed in, with the groups that the provider names', async () => {
    const signedIn = await aSignIn(stage, 'ada', { name: 'Ada', email: 'ada@example.com', groups: ['b', 'a'] });
    const caller = await claimsOf(signedIn);
    expect(caller).toEqual({
      identityId: signedIn.identityId,
      kind: 'human',
      connection: 'corp',
      subject: 'ada',
      name: 'Ada',
      email: 'ada@example.com',
      claims: ['a', 'b'],
      signInId: signedIn.id,
      signedInAt: expect.any(Date),
      signInEndsAt: signedIn.signInEndsAt,
    });
  });

  it('have no group whose time is over, and none of another source, subject or connection', async () => {
    const signedIn = await aSignIn(stage, 'bounded', { groups: ['over', 'still'] });
    await stage.asOwner(`UPDATE group_members SET expires_at = clock_timestamp() WHERE group_name = 'over'`);
    await stage.asOwner(
      `INSERT INTO group_members (group_name, source, connection, subject, expires_at) VALUES
         ('admins', 'claim', 'corp', 'somebody', 'tomorrow'), ('admins', 'claim', 'elsewhere', 'bounded', 'tomorrow'),
         ('admins', 'file', 'corp', 'bounded', NULL)`,
    );
    expect((await claimsOf(signedIn)).claims).toEqual(['still']);
  });

  it('are nobody once the sign-in is over, whatever their token says', async () => {
    const out = await aSignIn(stage, 'out');
    await stage.signIns.signOut(stage.transact, { identityId: out.identityId, signInId: out.id });
    await expect(claimsOf(out)).rejects.toBeInstanceOf(AccessTokenRefused);
    const late = await aSignIn(stage, 'late');
    await alterSignIn(stage, late.id, 'ends_at = clock_timestamp()');
    await expect(claimsOf(late)).rejects.toBeInstanceOf(AccessTokenRefused);
  });

  it('are nobody with the sign-in of somebody else', async () => {
    const one = await aSignIn(stage, 'one');
    const two = await aSignIn(stage, 'two');
    await expect(stage.callers.get({ identityId: one.identityId, signInId: two.id })).rejects.toBeInstanceOf(
      AccessTokenRefused,
    );
  });
});

describe('directory', () => {
  const replace = (members: [group: string, subject: string][], connection = 'corp') =>
    stage.database.transaction((tx) =>
      replaceFileGroups(
        tx,
        members.map(([group, subject]) => ({ group, connection, subject })),
      ),
    );
  beforeEach(() => replace([]));

  it('knows people by their ids', async () => {
    const { identityId } = await aSignIn(stage, 'known', { name: 'Known' });
    const nobody = randomUUID();
    expect(await namesOf(stage.database.manager, [identityId, nobody, identityId])).toEqual(
      new Map([[identityId, 'Known']]),
    );
    expect(await namesOf(stage.database.manager, [])).toEqual(new Map());
    expect(await personOf(stage.database.manager, identityId)).toMatchObject({ subject: 'known', claims: [] });
    await expect(personOf(stage.database.manager, nobody)).rejects.toBeInstanceOf(IdentityUnknown);
  });

  it('makes the members of the files exactly what they list, and leaves claims alone', async () => {
    await aSignIn(stage, 'claimed', { groups: ['from-claim'] });
    await aSignIn(stage, 'member', { name: 'Member' });
    await replace([
      ['engineers', 'member'],
      ['engineers', 'member'],
      ['owners', 'never-seen'],
    ]);
    await replace([
      ['engineers', 'member'],
      ['engineers', 'never-seen'],
    ]);
    const members = await knownMembers(stage.database.manager, ['engineers', 'owners', 'from-claim']);
    expect(members).toEqual([
      { group: 'engineers', connection: 'corp', subject: 'member', identityId: expect.any(String), name: 'Member' },
      { group: 'engineers', connection: 'corp', subject: 'never-seen', identityId: null, name: null },
    ]);
    const claimed = await stage.asOwner(`SELECT FROM group_members WHERE group_name = 'from-claim'`);
    expect(claimed).toHaveLength(1);
  });

  describe('who counts as somebody', () => {
    const counted = async (id: string) => [...(await countsAs(stage.database.manager, id))].toSorted();
    const sorted = (...ids: string[]) => ids.toSorted();
    const workload = async (owner: string) => {
      const [row] = await stage.asOwner<{ id: string }>(
        `INSERT INTO identities (kind, connection_id, subject, name, owner_group)
         SELECT 'workload', id, gen_random_uuid()::text, 'a job', $1 FROM connections WHERE name = 'corp' RETURNING id`,
        [owner],
      );
      return row!.id;
    };

    it('is oneself', async () => {
      const { identityId } = await aSignIn(stage, 'alone', { email: 'alone@example.com' });
      expect(await counted(identityId)).toEqual([identityId]);
    });

    it('is another account with the same address, however it is written', async () => {
      const one = await aSignIn(stage, 'account-1', { email: 'Person@Example.com' });
      const two = await aSignIn(stage, 'account-2', { email: 'person@example.COM' });
      await aSignIn(stage, 'no-address-1');
      const none = await aSignIn(stage, 'no-address-2');
      expect(await counted(one.identityId)).toEqual(sorted(one.identityId, two.identityId));
      expect(await counted(none.identityId)).toEqual([none.identityId]);
    });

    it('stays so when the address changes, is denied, or was never verified', async () => {
      const moved = await aSignIn(stage, 'moved', { email: 'moved@example.com' });
      const other = await aSignIn(stage, 'moved-too', { email: 'moved@example.com', email_verified: false });
      await aSignIn(stage, 'moved', { email: 'moved+2@example.com' });
      await aSignIn(stage, 'moved-too', {});
      const third = await aSignIn(stage, 'third', { email: 'moved+2@example.com' });
      expect(await counted(other.identityId)).toEqual(sorted(moved.identityId, other.identityId));
      // By what they share with oneself, not with one another: or somebody could make one of two others.
      expect(await counted(third.identityId)).toEqual(sorted(moved.identityId, third.identityId));
      const accounts = ['moved-too', 'third'].map((subject) => ({ connection: 'corp', subject }));
      expect(await sharedAccounts(stage.database.manager, accounts)).toEqual([]);
    });

    it('is the same among many accounts that one asks about: who never signed in, and who has no address, is nobody else', async () => {
      for (const subject of ['left', 'right', 'elsewhere'])
        await aSignIn(stage, subject, { email: `Both@Example.com` });
      for (const subject of ['bare-1', 'bare-2']) await aSignIn(stage, subject);
      await aSignIn(stage, 'lone', { email: 'lone@example.com' });
      const asked = ['right', 'left', 'left', 'bare-1', 'bare-2', 'lone', 'never-seen'];
      const accounts = [
        ...asked.map((subject) => ({ connection: 'corp', subject })),
        { connection: 'other', subject: 'elsewhere' },
      ];
      expect(await sharedAccounts(stage.database.manager, accounts)).toEqual([
        [
          { connection: 'corp', subject: 'left' },
          { connection: 'corp', subject: 'right' },
        ],
      ]);
      expect(await sharedAccounts(stage.database.manager, [])).toEqual([]);
    });

    it('is a workload that one owns, and for a workload everybody who owns it and what else they own', async () => {
      const owner = await aSignIn(stage, 'owner', { email: 'owner@example.com' });
      const alias = await aSignIn(stage, 'owner-again', { email: 'owner@example.com' });
      const stranger = await aSignIn(stage, 'stranger');
      await replace([
        ['platform', 'owner'],
        ['billing', 'owner'],
        ['others', 'stranger'],
      ]);
      const [mine, also, theirs] = [await workload('platform'), await workload('billing'), await workload('others')];
      const all = sorted(owner.identityId, alias.identityId, mine, also);
      expect(await counted(mine)).toEqual(all);
      expect(await counted(owner.identityId)).toEqual(all);
      expect(await counted(alias.identityId)).toEqual(all);
      expect(await counted(stranger.identityId)).toEqual(sorted(stranger.identityId, theirs));
    });
  });
});
