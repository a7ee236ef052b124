import { conformanceSuite } from '@quorate/engine-testkit';
import { zab } from './index.ts';

conformanceSuite(zab, { randomSeeds: 300, firstSeed: Number(process.env.FIRST ?? 1) });
