import { nodeId } from '@quorate/consensus';
import { describe, expect, it } from 'vitest';
import { LinkMatrix } from './link-matrix.ts';
import { DEFAULT_NETWORK } from './options.ts';

describe('LinkMatrix', () => {
  it('cuts one way at a time and tells of each change', () => {
    const links = new LinkMatrix(DEFAULT_NETWORK);
    const [a, b] = [nodeId(1), nodeId(2)];
    const changes: string[] = [];
    links.onChange((from, to) => changes.push(`${from}>${to} ${links.isCut(from, to)}`));
    links.cut(a, b);
    expect([links.isCut(a, b), links.isCut(b, a)]).toEqual([true, false]);
    links.mend(b, a);
    links.heal();
    expect(changes).toEqual(['1>2 true', '1>2 false']);
  });

  it('lays settings over one way and forgets them when it heals', () => {
    const links = new LinkMatrix(DEFAULT_NETWORK);
    const [a, b] = [nodeId(1), nodeId(2)];
    links.override(a, b, { loss: 0.5 });
    links.override(a, b, { delayMaxMicros: 9_000 });
    expect(links.settings(a, b)).toMatchObject({ loss: 0.5, delayMaxMicros: 9_000 });
    expect(links.settings(b, a)).toEqual(DEFAULT_NETWORK);
    links.heal();
    expect(links.settings(a, b)).toEqual(DEFAULT_NETWORK);
  });
});
