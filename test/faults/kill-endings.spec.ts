import { killSuite } from '../support/kill-suite';
import { ENDINGS } from '../support/kills';

killSuite('an end', ENDINGS);
