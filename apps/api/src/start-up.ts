import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type { Logger } from 'pino';
import { Recorder, type Act } from '@app/audit';
import { failpoint } from '@app/kernel';
import { DemoTargets } from './demo/demo-targets';
import { LOGGER } from './platform.module';
import { PolicyFolder } from './policies/policy-folder';

const ACT: Act = { actor: 'api', channel: 'start', correlation: 'start' };

/** What is applied before the first request: the policy files, and the targets of the demo. An invalid set does not start. */
@Injectable()
export class StartUp implements OnApplicationBootstrap {
  constructor(
    private readonly recorder: Recorder,
    private readonly policies: PolicyFolder,
    private readonly demo: DemoTargets,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { version, changed } = await this.recorder.run(ACT, (tx) => this.policies.apply(tx));
    this.log.info({ version, changed }, 'policies');
    failpoint('start.policies_applied');
    await this.demo.add(ACT);
  }
}
