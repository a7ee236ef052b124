import { goldenScripts } from '@quorate/engine-testkit';
import { zab } from './index.ts';

goldenScripts(new URL('../golden', import.meta.url), zab);
