import { conformanceSuite } from '@quorate/engine-testkit';
import { multiPaxos } from './protocol.ts';

conformanceSuite(multiPaxos);
