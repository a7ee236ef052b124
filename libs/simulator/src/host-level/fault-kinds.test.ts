import type { Protocol } from '@quorate/consensus';
import { multiPaxos } from '@quorate/multi-paxos';
import { raft } from '@quorate/raft';
import { zab } from '@quorate/zab';
import { describe, expect, it } from 'vitest';
import type { FaultEvent, HostFaultKind } from './fault-schedule.ts';
import type { HostRunOptions, SwarmOptions } from './host-options.ts';
import { type HostRunResult, runHosts } from './host-run.ts';
import type { Probe } from './probes.ts';

/** Small logs that roll and many snapshots, so that each kind finds something to harm. */
const BUSY: Partial<SwarmOptions> = {
  nodes: 3,
  snapshotEveryEntries: 25,
  segmentBytes: 64 * 1024,
  logTailBytesMin: 1,
  logTailBytesMax: 4_000,
  syncBytesMax: 4_000,
  diskSyncMicros: 500,
  timersLateMaxMicros: 0,
  thinkMaxMicros: 30_000,
  clients: 2,
  clientConcurrency: 2,
  valueBytesMax: 200,
  operationTimeoutMicros: 400_000,
};

/** One event of each kind, one behind the other. */
function script(kinds: readonly HostFaultKind[], everyMicros: number): FaultEvent[] {
  return kinds.map((kind, number) => {
    const atMicros = 1_500_000 + number * everyMicros;
    return { number, kind, atMicros, lastsMicros: Math.floor(everyMicros / 2) };
  });
}

function run(
  kinds: readonly HostFaultKind[],
  options: Partial<HostRunOptions<unknown>> & { readonly everyMicros?: number } = {},
): HostRunResult {
  const { everyMicros = 600_000, ...rest } = options;
  const result = runHosts({
    protocol: raft as Protocol<unknown>,
    seed: 1,
    schedule: script(kinds, everyMicros),
    safetyMicros: 2_000_000 + kinds.length * everyMicros,
    swarm: BUSY,
    ...rest,
  });
  // The quiet phase ends only when every fault has: all serve, all operations end, all are equal.
  expect(result.failure).toBeNull();
  return result;
}

function expectHits(result: HostRunResult, probes: readonly Probe[]): void {
  for (const probe of probes) expect(result.probes[probe], probe).toBeGreaterThan(0);
}

describe('each kind of fault takes effect and ends', () => {
  it('machines that are slow, stand still for a moment, or measure time differently', () => {
    const kinds = ['slowNode', 'clockRate', 'rollingRestart', 'stuckOperation'] as const;
    const result = run(kinds);
    expect(result.faultKinds).toEqual([...kinds].sort());
    expectHits(result, ['nodeSlow', 'clockDrifted', 'stoppedCleanly', 'operationStuck']);
  });

  it('restarts in good order may overlap: a replica is asked once', () => {
    const restart = { kind: 'rollingRestart', lastsMicros: 600_000 } as const;
    const schedule = [0, 1, 2].map((number) => {
      return { ...restart, number, atMicros: 1_500_000 + 20_000 * number };
    });
    const result = run([], { schedule, safetyMicros: 3_000_000 });
    expect(result.probes.stoppedCleanly).toBeGreaterThan(2);
  });

  it('links: swizzled, damaged frames and lengths, a replica left behind', () => {
    const kinds = ['swizzle', 'corruptFrame', 'leaveBehind'] as const;
    const result = run(kinds, { everyMicros: 2_000_000, protocol: zab as Protocol<unknown> });
    expect(result.faultKinds).toEqual([...kinds].sort());
    expectHits(result, ['swizzled', 'corruptFrameIgnored', 'corruptFrameEndedSession']);
    expectHits(result, ['corruptLength', 'snapshotInstalled']);
  });

  it.each([raft, multiPaxos])(
    'messages as datagrams: lost, doubled, overtaken, and again from the past: $name',
    (protocol) => {
      const kinds = ['loss', 'duplication', 'reordering', 'kill', 'replay'] as const;
      const options = { everyMicros: 400_000, protocol: protocol as Protocol<unknown> };
      const result = run(kinds, options);
      expectHits(result, ['datagramLost', 'datagramDuplicated', 'datagramReordered']);
      expectHits(result, ['datagramReplayed']);
    },
  );

  it('clients that are replaced, cut off, or hear no answer', () => {
    const kinds = ['clientChurn', 'repliesLost', 'clientCut'] as const;
    const result = run(kinds, { everyMicros: 1_200_000 });
    expect(result.faultKinds).toEqual([...kinds].sort());
    expectHits(result, ['clientReplaced', 'writeUnknown']);
  });

  it('disks: a sector of zeros is refused, power goes while a name changes, no space', () => {
    const swarm = { ...BUSY, snapshotEveryEntries: 5 };
    const kinds = ['powerCutAtName', 'noSpace', 'readError', 'zeroedSector'] as const;
    const result = run([...kinds, 'zeroedSector', 'zeroedSector'], { swarm });
    expectHits(result, ['powerCutAtName', 'zeroedSectorRefused', 'snapshotWriteFailed']);
    expectHits(result, ['readFailed']);
  });
});

describe('a disk that loses what it called durable', () => {
  it.each(['lostWrite', 'misdirectedWrite', 'lyingSync'] as const)(
    'ST-09 ST-10 %s: the replica is taken out when it shows, the others keep everything',
    (kind) => {
      const [first, second] = [1, 2].map((seed) => run(['kill', kind, 'powerCut'], { seed }));
      for (const result of [first, second]) expectHits(result as HostRunResult, [kind]);
      expect((first as HostRunResult).retired + (second as HostRunResult).retired).toBeGreaterThan(
        0,
      );
    },
  );

  it('strikes no more disks than a cluster tolerates', () => {
    const kinds = ['lyingSync', 'lostWrite', 'misdirectedWrite'] as const;
    const result = run(kinds);
    expect(result.faultKinds).toEqual(['lyingSync']);
    expect(result.retired).toBeLessThanOrEqual(1);
  });
});
