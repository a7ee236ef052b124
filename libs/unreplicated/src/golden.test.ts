import { goldenScripts } from '@quorate/engine-testkit';
import { unreplicated } from './protocol.ts';

goldenScripts(new URL('../golden', import.meta.url), unreplicated);
