import { plantedBugSuite } from '@quorate/engine-testkit';
import { multiPaxos } from './index.ts';

plantedBugSuite(multiPaxos);
