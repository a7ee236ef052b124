import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { nodeId } from '@quorate/consensus';
import { encodeCommand, KvStateMachine, NO_CONDITION } from '@quorate/kv';
import { unreplicated } from '@quorate/unreplicated';
import type { SyncPolicy } from '@quorate/wal';
import { describe, expect, it } from 'vitest';
import { openHost, stopHost } from './host-fixture.ts';
import type { ProposeOutcome } from './types.ts';

// The hot path of the host without a network, run small as an ordinary test so that it cannot rot:
//   QUORATE_BENCH_COMMANDS=200000 npx vitest run libs/replica/src/replica.bench.test.ts
const asked = process.env.QUORATE_BENCH_COMMANDS;
const COMMANDS = asked === undefined ? 2000 : Number(asked);
const VALUE_BYTES = 256;

function command(i: number): Uint8Array {
  return encodeCommand({
    operation: 'put',
    key: new TextEncoder().encode(`key-${i % 10_000}`),
    value: new Uint8Array(VALUE_BYTES).fill(i),
    condition: NO_CONDITION,
    request: null,
  });
}

interface Measured {
  readonly perSecond: number;
  readonly batches: number;
  readonly syncs: number;
  readonly turns: number;
}

/** Keeps `inFlight` commands outstanding until `count` were applied. */
async function measure(sync: SyncPolicy, inFlight: number, count: number): Promise<Measured> {
  const directory = mkdtempSync(path.join(tmpdir(), 'quorate-bench-'));
  const host = await openHost({
    protocol: unreplicated,
    directory,
    id: nodeId(1),
    members: [{ id: nodeId(1), disk: 'd1', address: '127.0.0.1:1' }],
    create: true,
    stateMachine: new KvStateMachine(),
    sync,
    segmentBytes: 64 * 1024 * 1024,
  });
  const { replica } = host;
  const commands = Array.from({ length: count }, (_, i) => command(i));
  let next = 0;
  let applied = 0;
  const startedAt = performance.now();
  await new Promise<void>((resolve, reject) => {
    const done = (outcome: ProposeOutcome): void => {
      if (outcome.kind !== 'applied') reject(new Error(outcome.kind));
      applied++;
      if (applied === count) resolve();
      else more();
    };
    const more = (): void => {
      const bytes = commands[next];
      next++;
      if (bytes !== undefined) replica.propose(bytes, done);
    };
    for (let i = 0; i < inFlight; i++) more();
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const { counters, wal } = replica.status();
  await stopHost(host);
  rmSync(directory, { recursive: true, force: true });
  const { batchesProposed: batches, turns } = counters;
  return { perSecond: Math.round(count / seconds), batches, syncs: wal.syncs, turns };
}

describe('the hot path of the host', () => {
  const policies: readonly SyncPolicy[] = ['memory', 'group'];
  it.each(policies.flatMap((sync) => [1, 64, 256].map((inFlight) => [sync, inFlight] as const)))(
    'log %s, %i in flight',
    async (sync, inFlight) => {
      const count = Math.ceil(inFlight === 1 ? COMMANDS / 10 : COMMANDS);
      const measured = await measure(sync, inFlight, count);
      if (asked !== undefined) console.log(sync, inFlight, JSON.stringify(measured));
      expect(measured.perSecond).toBeGreaterThan(0);
      expect(measured.batches).toBeLessThanOrEqual(count);
    },
  );
});
