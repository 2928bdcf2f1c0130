import { readFileSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { TargetsService } from '@app/access';
import { Recorder, type Act } from '@app/audit';
import { Secret } from '@app/kernel';
import type { ApiEnvironment } from '@app/platform';
import { API_ENVIRONMENT } from '../environment';

const demoTargets = z.object({
  targets: z.array(z.object({ file: z.looseObject({ name: z.string() }), password: z.string() })),
});

/** The targets of `CURFEW_DEMO_FILE`; the server of one that is there may have got another port. */
@Injectable()
export class DemoTargets {
  constructor(
    private readonly database: DataSource,
    private readonly recorder: Recorder,
    private readonly targets: TargetsService,
    @Inject(API_ENVIRONMENT) private readonly environment: ApiEnvironment,
  ) {}

  async add(act: Act): Promise<void> {
    const { CURFEW_DEMO, CURFEW_DEMO_FILE } = this.environment;
    if (!CURFEW_DEMO || CURFEW_DEMO_FILE === undefined) return;
    const { targets } = demoTargets.parse(JSON.parse(readFileSync(CURFEW_DEMO_FILE, 'utf8')));
    for (const { file, password } of targets) {
      const order = { file, password: new Secret(password) };
      const known = await this.database.query<unknown[]>('SELECT FROM targets WHERE name = $1', [file.name]);
      await this.recorder.run(act, async (tx) => {
        if (known.length === 0) await this.targets.add(tx, 'demo', order);
        else await this.targets.replace(tx, 'demo', { ...order, name: file.name, moved: true });
      });
    }
  }
}
