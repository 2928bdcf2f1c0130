'use strict';
// Loaded before the installation is even read (`node -r`), in a language that every Node understands (ES5: no trailing
// comma in a call either): one that is far too old would else only complain about our syntax.
if (Number(process.versions.node.split('.')[0]) < 20) {
  process.stderr.write('\n✗ Curfew needs Node 20 or newer to start; this is ' + process.versions.node + '.\n');
  process.stderr.write('  https://nodejs.org has it. What runs then is the Node 24 that comes with the packages.\n\n');
  process.exit(1);
}
