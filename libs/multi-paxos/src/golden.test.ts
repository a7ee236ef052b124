import { goldenScripts } from '@quorate/engine-testkit';
import { multiPaxos } from './protocol.ts';

goldenScripts(new URL('../golden', import.meta.url), multiPaxos);
