import { plantedBugSuite } from '@quorate/engine-testkit';
import { raft } from './index.ts';

plantedBugSuite(raft);
