import { conformanceSuite } from '@quorate/engine-testkit';
import { unreplicated } from './protocol.ts';

conformanceSuite(unreplicated, { sizes: [1] });
