import { nodeId } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { LinkMatrix } from '../link-matrix.ts';
import { DEFAULT_NETWORK } from '../options.ts';
import { drawKinds, drawSchedule, HOST_FAULT_KINDS } from './fault-schedule.ts';
import { LinkEffects } from './link-effects.ts';
import { linksOf } from './link-faults.ts';

const [one, two, three] = [nodeId(1), nodeId(2), nodeId(3)];

describe('faults of links', () => {
  it('overlap: a link is cut while any of them cuts it, its delay is the largest', () => {
    const links = new LinkMatrix(DEFAULT_NETWORK);
    const effects = new LinkEffects(links);
    const endFirst = effects.install([{ from: one, to: two, cut: true, delayMicros: 100 }]);
    const endSecond = effects.install([{ from: one, to: two, cut: true, delayMicros: 500 }]);
    expect(links.settings(one, two).delayMaxMicros).toBe(DEFAULT_NETWORK.delayMaxMicros + 500);
    endSecond();
    expect(links.isCut(one, two)).toBe(true);
    expect(links.settings(one, two).delayMaxMicros).toBe(DEFAULT_NETWORK.delayMaxMicros + 100);
    endFirst();
    expect(links.isCut(one, two)).toBe(false);
    expect(links.settings(one, two)).toMatchObject({ delayMaxMicros: 500, loss: 0 });
  });

  it('an isolated node loses both ways to all, a partition never cuts within a side', () => {
    const ids = [one, two, three];
    const target = { ids, node: two, random: createRandom(1) };
    const isolated = linksOf('isolate', target);
    expect(isolated).toHaveLength(4);
    expect(isolated.every(({ from, to }) => from === two || to === two)).toBe(true);
    for (const { from, to } of linksOf('partition', target)) expect(from).not.toBe(to);
  });
});

describe('a schedule', () => {
  it('uses at least five kinds and each drawn kind at least once', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = createRandom(seed);
      const kinds = drawKinds(random, HOST_FAULT_KINDS);
      expect(kinds.length).toBeGreaterThanOrEqual(5);
      const settings = { untilMicros: 60e6, everyMicros: 700_000, lastsMaxMicros: 1_000 };
      const events = drawSchedule(random, kinds, settings);
      expect(new Set(events.map(({ kind }) => kind))).toEqual(new Set(kinds));
      expect(events.map(({ number }) => number)).toEqual(events.map((_, i) => i));
    }
  });
});
