// Loaded before a process' own code: stacks name our sources. The flag of Node would read the maps of every package as
// well, and keep them, which costs each process 20 MB.
import { setSourceMapsSupport } from 'node:module';

setSourceMapsSupport(true, { nodeModules: false, generatedCode: false });
