import type { AccessRequest, Grant, Target } from '../../../apps/cli/src/service/shapes';

export const GRANT_ID = '1a2b3c4d-0000-4000-8000-000000000001';
export const REQUEST_ID = '5e6f7a8b-0000-4000-8000-000000000002';

/** An instant so many seconds from now. */
export const inSeconds = (seconds: number): string => new Date(Date.now() + seconds * 1_000).toISOString();

export const aGrant = (changes: Partial<Grant> = {}): Grant & { evidence: [] } => ({
  id: GRANT_ID,
  requestId: REQUEST_ID,
  holder: { id: 'a', name: 'Ada' },
  entitlement: 'orders-db/read',
  state: 'active',
  durationSeconds: 1_800,
  activateBy: inSeconds(900),
  endsAt: inSeconds(1_800),
  createdAt: inSeconds(-5),
  activatedAt: inSeconds(-4),
  endingAt: null,
  endReason: null,
  stuckAt: null,
  endedAt: null,
  failure: null,
  lateMs: null,
  ending: { enforcedBy: 'both', endsLiveSessions: true, outlivesBySeconds: 0 },
  leftovers: [],
  credential: { version: 1, state: 'ready', pickedUpAt: null, pickedUpFrom: null },
  ...changes,
  evidence: [],
});

export const aRequest = (changes: Partial<AccessRequest> = {}): AccessRequest => ({
  id: REQUEST_ID,
  state: 'pending',
  requester: { id: 'a', name: 'Ada' },
  entitlements: ['orders-db/read'],
  durationSeconds: 1_800,
  reason: 'INC-4711',
  scopeHash: 'ab'.repeat(32),
  policyVersion: 'cd'.repeat(32),
  createdAt: inSeconds(-60),
  lapsesAt: inSeconds(3_540),
  decidedAt: null,
  paths: [{ entitlement: 'orders-db/read', policy: 'orders-read', approvalsNeeded: 1, approverGroup: 'orders-owners' }],
  decisions: [],
  grants: [],
  endings: { 'orders-db': { enforcedBy: 'both', endsLiveSessions: true, outlivesBySeconds: 0 } },
  ...changes,
});

export const aTarget = (changes: Partial<Target> = {}): Target => ({
  id: '00000000-0000-4000-8000-000000000003',
  name: 'orders-db',
  kind: 'postgres',
  owner: 'orders-owners',
  ending: { enforcedBy: 'both', endsLiveSessions: true, outlivesBySeconds: 0 },
  entitlements: [
    {
      name: 'orders-db/read',
      paths: [
        {
          policy: 'orders-read',
          approval: { count: 1, group: 'orders-owners' },
          maxDurationSeconds: 14_400,
          pendingForSeconds: 3_600,
          needsSignIn: false,
          approvers: { count: 1, group: 'orders-owners', known: ['embedded/ben'] },
        },
      ],
    },
  ],
  connection: null,
  ...changes,
});
