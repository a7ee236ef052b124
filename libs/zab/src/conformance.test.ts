import { conformanceSuite } from '@quorate/engine-testkit';
import { zab } from './index.ts';

conformanceSuite(zab);
