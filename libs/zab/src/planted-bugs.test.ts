import { plantedBugSuite } from '@quorate/engine-testkit';
import { zab } from './index.ts';

plantedBugSuite(zab);
