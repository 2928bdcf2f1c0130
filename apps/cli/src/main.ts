import { readEnvironment } from './environment';
import { EXIT } from './exit-codes';
import { runCli } from './program';
import { interruption, passSignals } from './signals';

// Whoever reads has seen enough: `curfew audit list | head`.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(EXIT.ok);
  });

process.exitCode = await runCli(process.argv.slice(2), {
  environment: readEnvironment(),
  streams: { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr },
  signal: interruption(),
  passSignals,
});
