import { AppError } from '@app/kernel';
import type { Refusal } from '@app/policy';

/** Absent, or not for your eyes: the two are the same answer. */
export class NotFound extends AppError {
  constructor(
    noun: 'target' | 'entitlement' | 'request' | 'grant' | 'credential' | 'stray',
    details: Record<string, unknown> = {},
  ) {
    super({
      kind: 'not_found',
      code: `access.${noun}_not_found`,
      message: `there is no such ${noun}, or you may not see it`,
      advice:
        noun === 'entitlement' || noun === 'target'
          ? '`curfew targets list` shows what you may ask for.'
          : `Check the ${noun}'s id.`,
      details,
    });
  }
}

/** The policies say no. */
export class RequestRefused extends AppError {
  constructor(entitlement: string, refusal: Refusal) {
    super({
      kind: 'forbidden',
      code: 'access.request_refused',
      message: 'the policies do not allow this request',
      advice: [refusal.message, refusal.advice].filter((words) => words !== undefined).join('. '),
      details: { entitlement, rule: refusal.policies, why: refusal.code },
    });
  }
}

export class AskedTwice extends AppError {
  constructor(entitlement: string) {
    super({
      kind: 'invalid',
      code: 'access.asked_twice',
      message: 'a request names each entitlement once',
      details: { entitlement },
    });
  }
}

export class SelfApprovalForbidden extends AppError {
  constructor() {
    super({
      kind: 'forbidden',
      code: 'access.self_approval',
      message: 'nobody decides about their own request',
      advice: 'Somebody else has to. `curfew withdraw` takes a request back.',
    });
  }
}

export class NotAnApprover extends AppError {
  constructor(details: Record<string, unknown>) {
    super({
      kind: 'forbidden',
      code: 'access.not_an_approver',
      message: 'this request is not yours to decide',
      advice: 'The groups in `approvers` decide about it.',
      details,
    });
  }
}

/** Whoever comes second is told what the outcome was. */
export class AlreadyDecided extends AppError {
  constructor(details: { state: string; decidedAt: string | null }) {
    super({
      kind: 'conflict',
      code: 'access.already_decided',
      message: 'this request has its outcome already',
      advice: `It was ${details.state}${details.decidedAt ? ` at ${details.decidedAt}` : ''}.`,
      details,
    });
  }
}

export class DecidedBefore extends AppError {
  constructor() {
    super({
      kind: 'conflict',
      code: 'access.decided_before',
      message: 'you have given your verdict on this request already',
      advice: 'It waits for somebody else now.',
    });
  }
}

/** What would run is not what was shown. */
export class ScopeChanged extends AppError {
  constructor(details: Record<string, unknown> = {}) {
    super({
      kind: 'conflict',
      code: 'access.scope_changed',
      message: 'what was asked for is not what this names',
      advice: 'Look at the request again. If its target was changed meanwhile, it has to be asked anew.',
      details,
    });
  }
}

/** The rules that the request was asked under do not allow it any more. */
export class NoLongerAllowed extends AppError {
  constructor(details: Record<string, unknown>) {
    super({
      kind: 'forbidden',
      code: 'access.no_longer_allowed',
      message: 'the policies do not allow this request any more',
      advice: 'It cannot be approved. It may be denied, withdrawn, or asked anew.',
      details,
    });
  }
}

export class RevocationForbidden extends AppError {
  constructor() {
    super({
      kind: 'forbidden',
      code: 'access.revocation_forbidden',
      message: 'this grant is not yours to revoke',
      advice: 'The owner of the target and administrators may.',
    });
  }
}

export class NotPermitted extends AppError {
  constructor(action: string, message: string) {
    super({
      kind: 'forbidden',
      code: 'access.not_permitted',
      message: 'the policies do not permit this',
      advice: message,
      details: { action },
    });
  }
}

export class GrantNotActive extends AppError {
  constructor(state: string) {
    super({
      kind: 'conflict',
      code: 'access.grant_not_active',
      message: 'the grant is not active',
      advice:
        state === 'scheduled' || state === 'activating'
          ? 'It is being made: try again in a moment.'
          : 'It has ended. Ask again with `curfew request`.',
      details: { state },
    });
  }
}

export class CredentialPickedUp extends AppError {
  constructor(details: { pickedUpAt: string; pickedUpFrom: string | null }) {
    super({
      kind: 'conflict',
      code: 'access.credential_picked_up',
      message: 'this credential was picked up before',
      advice: 'If it was not you, revoke the grant now. If the reply was lost, ask for a replacement.',
      details,
    });
  }
}

export class NoReplacementLeft extends AppError {
  constructor(code: 'not_picked_up' | 'used_up' | 'under_way' | 'target_changed') {
    super({
      kind: 'conflict',
      code: `access.replacement_${code}`,
      message: 'there is no replacement to be had now',
      advice: {
        not_picked_up: 'The credential still waits: pick it up.',
        used_up: 'It was replaced three times. Ask for a new grant.',
        under_way: 'It is being replaced: try again in a moment.',
        target_changed: 'The target was changed since this was approved. Give the grant back, and ask for a new one.',
      }[code],
    });
  }
}

/** They may see it, and that is all. */
export class TargetNotYours extends AppError {
  constructor(details: { target: string; owner: string }) {
    super({
      kind: 'forbidden',
      code: 'access.target_not_yours',
      message: 'this target is not yours to check or to change',
      advice: `Those who own it (${details.owner}) and administrators may check it, administrators may change it.`,
      details,
    });
  }
}

export class TargetExists extends AppError {
  constructor(name: string) {
    super({
      kind: 'conflict',
      code: 'access.target_exists',
      message: 'a target of this name exists',
      advice: 'Choose another name, or change it with `curfew targets add --replace`.',
      details: { name },
    });
  }
}

export class TargetInUse extends AppError {
  constructor(grants: number) {
    super({
      kind: 'conflict',
      code: 'access.target_in_use',
      message: 'live grants still need the connection as it is',
      advice: 'Wait until they have ended; or, if it is the same system at another address, say so with `--moved`.',
      details: { grants },
    });
  }
}

/** The row moved on between reading and writing. */
export class StaleState extends AppError {
  constructor(noun: string) {
    super({
      kind: 'conflict',
      code: 'access.stale_state',
      message: `the ${noun} has moved on meanwhile`,
      advice: 'Look at it again.',
    });
  }
}
