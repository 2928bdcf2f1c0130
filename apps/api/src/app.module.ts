import type { DynamicModule } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import type { ApiEnvironment } from '@app/platform';
import { AccessModule } from './access/access.module';
import { DemoTargets } from './demo/demo-targets';
import { FrontDoorController } from './edge/front-door.controller';
import { API_ENVIRONMENT } from './environment';
import { HealthModule } from './health.module';
import { PlatformModule } from './platform.module';
import { SignInModule } from './sign-in/sign-in.module';
import { StartUp } from './start-up';
import { Sweeps } from './sweeps';

class EnvironmentModule {}

class AppModule {}

/** The control plane: HTTP in, HTTP out, no decisions. */
export function appModule(environment: ApiEnvironment): DynamicModule {
  return {
    module: AppModule,
    imports: [
      {
        module: EnvironmentModule,
        global: true,
        providers: [{ provide: API_ENVIRONMENT, useValue: environment }],
        exports: [API_ENVIRONMENT],
      },
      ScheduleModule.forRoot(),
      PlatformModule,
      AccessModule,
      SignInModule,
      HealthModule,
    ],
    controllers: [FrontDoorController],
    providers: [StartUp, DemoTargets, Sweeps],
  };
}
