import { conformanceSuite } from '@quorate/engine-testkit';
import { raftRules } from '@quorate/protocol-rules';
import { raft } from './index.ts';

conformanceSuite(raft, { rules: raftRules });
