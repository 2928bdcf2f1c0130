import { killSuite } from '../support/kill-suite';
import { BEGINNINGS } from '../support/kills';

killSuite('a beginning', BEGINNINGS);
