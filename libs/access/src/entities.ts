import { AuditEvent, AuditValue } from '@app/audit';
import { GrantCredential } from './credential.entity';
import { Decision } from './decision.entity';
import { Evidence } from './evidence.entity';
import { Grant } from './grant.entity';
import { AppliedPolicySet } from './policy-set.entity';
import { Request, RequestEntitlement, RequestPath } from './request.entity';
import { Stray } from './stray.entity';
import { Entitlement, Target } from './target.entity';

/** What a process that works with requests and grants loads. */
export const accessEntities = [
  AppliedPolicySet,
  AuditEvent,
  AuditValue,
  Decision,
  Entitlement,
  Evidence,
  Grant,
  GrantCredential,
  Request,
  RequestEntitlement,
  RequestPath,
  Stray,
  Target,
];
