import { goldenScripts } from '@quorate/engine-testkit';
import { raft } from './index.ts';

goldenScripts(new URL('../golden', import.meta.url), raft);
