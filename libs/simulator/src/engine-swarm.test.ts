import { createRandom } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import { drawEngineSwarm } from './engine-swarm.ts';

const SEEDS = Array.from({ length: 300 }, (_, i) => i);
const draw = (seed: number, channels: 'fifo' | 'lossy', variants = { preVote: true, rule: 'a' }) =>
  drawEngineSwarm(createRandom(`swarm ${seed}`), { sizes: [1, 2, 3, 5], channels, variants });

describe('what a seed draws for a cluster of engines', () => {
  it('is the same for the same seed, whatever else is drawn', () => {
    for (const seed of SEEDS.slice(0, 20)) {
      expect(draw(seed, 'fifo')).toEqual(draw(seed, 'fifo'));
      const { config, network, ...rest } = draw(seed, 'fifo');
      const other = draw(seed, 'lossy', { preVote: false, rule: 'b' });
      expect(other).toMatchObject({ ...rest, config: { limits: config.limits } });
      expect(other.network?.delayMaxMicros).toBe(network?.delayMaxMicros);
    }
  });

  it('reaches the extremes, and FIFO channels lose no message alone', () => {
    const seen = new Set<string>();
    for (const seed of SEEDS) {
      const { nodes, config, network } = draw(seed, 'fifo');
      seen.add(`nodes ${nodes}`).add(`entries ${config.limits?.appendEntriesMax}`);
      seen.add(`preVote ${config.variants?.preVote}`);
      expect(config.variants).not.toHaveProperty('rule');
      const never = { duplication: 0, reordering: 0, replayMaxMicros: 0, replaysAtElection: 0 };
      expect(network).toMatchObject(never);
    }
    for (const text of ['nodes 1', 'nodes 5', 'entries 1', 'entries 256', 'preVote false']) {
      expect(seen).toContain(text);
    }
  });
});
