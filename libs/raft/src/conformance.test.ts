import { conformanceSuite } from '@quorate/engine-testkit';
import { raft } from './index.ts';

conformanceSuite(raft);
