import { Global, Module } from '@nestjs/common';
import { DataSource } from 'typeorm';
import {
  CredentialsService,
  DecisionsService,
  GrantsService,
  GrantsView,
  Judge,
  PoliciesService,
  PoliciesView,
  RecordView,
  RequestsService,
  RequestsView,
  StraysService,
  TargetsService,
  TargetsView,
  VitalSigns,
} from '@app/access';
import { AuditEvents, Commitments } from '@app/audit';
import { Clock } from '@app/kernel';
import { Sealer, type ApiEnvironment } from '@app/platform';
import { ProviderRegistry } from '@app/providers';
import { API_ENVIRONMENT } from '../environment';
import { PoliciesController } from '../policies/policies.controller';
import { PolicyFolder } from '../policies/policy-folder';
import { EventsController } from '../record/events.controller';
import { Memberships } from '../sign-in/memberships';
import { StraysController } from '../targets/strays.controller';
import { TargetsController } from '../targets/targets.controller';
import { DecisionsController } from './decisions.controller';
import { CredentialsController, GrantsController } from './grants.controller';
import { AppliedMemberships } from './memberships';
import { RequestsController } from './requests.controller';

/** The library of decisions, wired to this process. */
@Global()
@Module({
  controllers: [
    RequestsController,
    DecisionsController,
    GrantsController,
    CredentialsController,
    TargetsController,
    StraysController,
    PoliciesController,
    EventsController,
  ],
  providers: [
    { provide: PoliciesService, inject: [Clock], useFactory: (clock: Clock) => new PoliciesService(clock) },
    {
      provide: Judge,
      inject: [PoliciesService, Commitments, Clock],
      useFactory: (policies: PoliciesService, commitments: Commitments, clock: Clock) =>
        new Judge(policies, commitments, clock),
    },
    {
      provide: RequestsService,
      inject: [Judge, Commitments, API_ENVIRONMENT],
      useFactory: (judge: Judge, commitments: Commitments, { ACTIVATE_WITHIN_SECONDS }: ApiEnvironment) =>
        new RequestsService(judge, commitments, ACTIVATE_WITHIN_SECONDS),
    },
    {
      provide: DecisionsService,
      inject: [Judge, API_ENVIRONMENT],
      useFactory: (judge: Judge, { ACTIVATE_WITHIN_SECONDS }: ApiEnvironment) =>
        new DecisionsService(judge, ACTIVATE_WITHIN_SECONDS),
    },
    { provide: GrantsService, inject: [Judge], useFactory: (judge: Judge) => new GrantsService(judge) },
    {
      provide: CredentialsService,
      inject: [Sealer, Commitments],
      useFactory: (sealer: Sealer, commitments: Commitments) => new CredentialsService(sealer, commitments),
    },
    {
      provide: TargetsService,
      inject: [Judge, ProviderRegistry, Sealer, Clock],
      useFactory: (judge: Judge, providers: ProviderRegistry, sealer: Sealer, clock: Clock) =>
        new TargetsService(judge, providers, sealer, clock),
    },
    {
      provide: RequestsView,
      inject: [Judge, Commitments, ProviderRegistry],
      useFactory: (judge: Judge, commitments: Commitments, providers: ProviderRegistry) =>
        new RequestsView(judge, commitments, providers),
    },
    {
      provide: GrantsView,
      inject: [Judge, Commitments, ProviderRegistry],
      useFactory: (judge: Judge, commitments: Commitments, providers: ProviderRegistry) =>
        new GrantsView(judge, commitments, providers),
    },
    {
      provide: TargetsView,
      inject: [Judge, ProviderRegistry],
      useFactory: (judge: Judge, providers: ProviderRegistry) => new TargetsView(judge, providers),
    },
    { provide: StraysService, inject: [Judge], useFactory: (judge: Judge) => new StraysService(judge) },
    { provide: PoliciesView, inject: [Judge], useFactory: (judge: Judge) => new PoliciesView(judge) },
    {
      provide: RecordView,
      inject: [Judge, DataSource, Commitments],
      useFactory: (judge: Judge, database: DataSource, commitments: Commitments) =>
        new RecordView(judge, new AuditEvents(database, commitments)),
    },
    {
      provide: PolicyFolder,
      inject: [API_ENVIRONMENT, PoliciesService],
      useFactory: ({ POLICY_DIR }: ApiEnvironment, policies: PoliciesService) => new PolicyFolder(POLICY_DIR, policies),
    },
    { provide: Memberships, useClass: AppliedMemberships },
    { provide: VitalSigns, inject: [DataSource], useFactory: (database: DataSource) => new VitalSigns(database) },
  ],
  exports: [Memberships, PolicyFolder, PoliciesService, TargetsService, VitalSigns],
})
export class AccessModule {}
