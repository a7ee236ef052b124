import { conformanceSuite } from '@quorate/engine-testkit';
import { zabRules } from '@quorate/protocol-rules';
import { zab } from './index.ts';

conformanceSuite(zab, { rules: zabRules });
