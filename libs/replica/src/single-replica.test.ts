import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type EngineEvent, nodeId } from '@quorate/consensus';
import { decodeResult, encodeCommand, KvStateMachine, NO_CONDITION } from '@quorate/kv';
import { unreplicated } from '@quorate/unreplicated';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  crashHost,
  type Host,
  type HostOptions,
  openHost,
  propose,
  read,
  stopHost,
} from './host-fixture.ts';
import type { ProposeOutcome } from './types.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const put = (key: string, value: string): Uint8Array =>
  encodeCommand({
    operation: 'put',
    key: text(key),
    value: text(value),
    condition: NO_CONDITION,
    request: null,
  });

let directory = '';
const hosts: Host[] = [];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'quorate-replica-'));
});

afterEach(async () => {
  await Promise.all(hosts.splice(0).map(crashHost));
  rmSync(directory, { recursive: true, force: true });
});

async function open(kv: KvStateMachine, more: Partial<HostOptions<never>> = {}): Promise<Host> {
  const host = await openHost({
    protocol: unreplicated,
    directory,
    id: nodeId(1),
    members: [{ id: nodeId(1), disk: 'd1', address: '127.0.0.1:1' }],
    create: true,
    stateMachine: kv,
    ...more,
  });
  hosts.push(host);
  return host;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe('one replica on a real disk', () => {
  it('answers each command with its own result, in order', async () => {
    const kv = new KvStateMachine();
    const { replica } = await open(kv);
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, i) => propose(replica, put(`k${i}`, `${i}`))),
    );
    outcomes.forEach((outcome, i) => {
      expect(outcome.kind).toBe('applied');
      if (outcome.kind !== 'applied') return;
      expect(decodeResult(outcome.result)).toMatchObject({ status: 'ok', revision: i + 1 });
    });
    expect(kv.get(text('k49'))?.value).toEqual(text('49'));
  });

  it('makes one batch, one entry and one sync of the commands of a turn', async () => {
    const kv = new KvStateMachine();
    const { replica } = await open(kv);
    await propose(replica, put('first', '1'));
    const before = replica.status();
    const writes = Array.from({ length: 100 }, (_, i) => propose(replica, put(`k${i}`, 'v')));
    await Promise.all(writes);
    const after = replica.status();
    expect(after.counters.batchesProposed - before.counters.batchesProposed).toBe(1);
    expect(after.counters.commandsApplied - before.counters.commandsApplied).toBe(100);
    expect(after.wal.syncs - before.wal.syncs).toBe(1);
  });

  it('lets commands gather while the window is full', async () => {
    const kv = new KvStateMachine();
    const { replica } = await open(kv, { limits: { inFlightBatchesMax: 1 } });
    const all: Promise<ProposeOutcome>[] = [];
    for (let turn = 0; turn < 40; turn++) {
      all.push(propose(replica, put(`k${turn}`, 'v')));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(all);
    const { counters } = replica.status();
    expect(counters.commandsApplied).toBe(40);
    expect(counters.batchesProposed).toBeLessThan(40);
  });

  it('never calls back inside propose', async () => {
    const { replica } = await open(new KvStateMachine(), { limits: { commandBytesMax: 10 } });
    let inside = true;
    let calls = 0;
    replica.propose(put('a key beyond ten bytes', 'v'), (outcome) => {
      expect(inside).toBe(false);
      expect(outcome.kind).toBe('tooLarge');
      calls++;
    });
    inside = false;
    await until(() => calls === 1);
  });

  it('answers busy beyond the queue and not one more', async () => {
    const { replica } = await open(new KvStateMachine(), {
      limits: { proposalsQueuedMax: 5, commandsMax: 1, inFlightBatchesMax: 1 },
    });
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, i) => propose(replica, put(`k${i}`, 'v'))),
    );
    expect(outcomes.map((o) => o.kind)).toEqual([
      ...Array.from({ length: 5 }, () => 'applied'),
      ...Array.from({ length: 3 }, () => 'busy'),
    ]);
  });

  it('splits batches at their byte limit', async () => {
    const { replica } = await open(new KvStateMachine(), { limits: { batchBytesMax: 100 } });
    const before = replica.status().counters.batchesProposed;
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => propose(replica, put(`k${i}`, 'v'.repeat(60)))),
    );
    expect(replica.status().counters.batchesProposed - before).toBe(10);
  });

  it('serves linearizable reads after what was acknowledged, a turn by one ticket', async () => {
    const kv = new KvStateMachine();
    const { replica } = await open(kv);
    for (let i = 0; i < 5; i++) {
      await propose(replica, put('k', `${i}`));
      let seen: Uint8Array | undefined;
      const before = replica.status().counters.readTickets;
      await Promise.all([
        new Promise<void>((resolve) => {
          replica.read('linearizable', () => {
            seen = kv.get(text('k'))?.value;
            resolve();
          });
        }),
        read(replica),
        read(replica),
      ]);
      expect(seen).toEqual(text(`${i}`));
      expect(replica.status().counters.readTickets - before).toBe(1);
    }
  });

  it('serves stale reads inside the call', async () => {
    const { replica } = await open(new KvStateMachine());
    let kind = '';
    replica.read('stale', (outcome) => {
      kind = outcome.kind;
    });
    expect(kind).toBe('ready');
  });

  it('comes back from a crash with the same state', async () => {
    const kv = new KvStateMachine();
    const host = await open(kv);
    for (let i = 0; i < 30; i++) await propose(host.replica, put(`k${i % 7}`, `${i}`));
    const digest = kv.digest();
    await crashHost(host);
    const again = new KvStateMachine();
    const { replica } = await open(again, { create: false });
    await until(() => replica.appliedIndex >= 30);
    expect(again.digest()).toBe(digest);
  });

  it('takes snapshots, releases segments and restarts from them', async () => {
    const kv = new KvStateMachine();
    const snapshots = { snapshotEveryEntries: 20 };
    let named = 0;
    const handlers = { snapshotWritten: () => named++ };
    const host = await open(kv, { snapshots, handlers, segmentBytes: 64 * 1024 });
    for (let i = 0; i < 200; i++) await propose(host.replica, put(`k${i % 50}`, 'v'.repeat(2000)));
    await until(() => named >= 3);
    const { wal, counters, engine } = host.replica.status();
    expect(counters.snapshotsTaken).toBeGreaterThanOrEqual(3);
    expect(engine.snapshotIndex).toBeGreaterThanOrEqual(60);
    expect(wal.segmentsReleased + wal.segmentsRecycled).toBeGreaterThan(0);
    const digest = kv.digest();
    await crashHost(host);
    const again = new KvStateMachine();
    const { replica } = await open(again, { create: false, segmentBytes: 64 * 1024 });
    await until(() => replica.appliedIndex >= 200);
    expect(again.digest()).toBe(digest);
    expect(replica.status().counters.entriesApplied).toBeLessThan(200);
  });

  it('ZB-27: refuses to start without the snapshot that its log names', async () => {
    let named = 0;
    const handlers = { snapshotWritten: () => named++ };
    const host = await open(new KvStateMachine(), {
      snapshots: { snapshotEveryEntries: 5 },
      handlers,
    });
    for (let i = 0; i < 12; i++) await propose(host.replica, put(`k${i}`, 'v'));
    await until(() => named >= 1);
    await stopHost(host);
    const folder = path.join(directory, 'snapshots');
    for (const name of readdirSync(folder)) rmSync(path.join(folder, name));
    await expect(open(new KvStateMachine(), { create: false })).rejects.toMatchObject({
      code: 'SNAPSHOT_ERR_MISSING',
    });
  });

  it('ZB-27: refuses to start on a damaged snapshot', async () => {
    let named = 0;
    const host = await open(new KvStateMachine(), {
      snapshots: { snapshotEveryEntries: 5 },
      handlers: { snapshotWritten: () => named++ },
    });
    for (let i = 0; i < 12; i++) await propose(host.replica, put(`k${i}`, 'v'));
    await until(() => named >= 1);
    await stopHost(host);
    const folder = path.join(directory, 'snapshots');
    for (const name of readdirSync(folder)) writeFileSync(path.join(folder, name), 'damaged');
    await expect(open(new KvStateMachine(), { create: false })).rejects.toMatchObject({
      code: 'SNAPSHOT_ERR_CORRUPT',
    });
  });

  it('answers everything on a graceful stop, once', async () => {
    const host = await open(new KvStateMachine());
    const { replica } = host;
    const kinds: string[] = [];
    for (let i = 0; i < 20; i++) replica.propose(put(`k${i}`, 'v'), (o) => kinds.push(o.kind));
    replica.read('linearizable', (o) => kinds.push(o.kind));
    await stopHost(host);
    expect(kinds).toHaveLength(21);
    expect((await propose(replica, put('late', 'v'))).kind).toBe('stopping');
    expect((await read(replica)).kind).toBe('stopping');
    expect(kinds).toHaveLength(21);
  });

  it('answers what is in flight at a halt with unknown, what waits with stopping', async () => {
    const { replica } = await open(new KvStateMachine(), {
      limits: { commandsMax: 1, inFlightBatchesMax: 1 },
    });
    const kinds: string[] = [];
    for (let i = 0; i < 3; i++) replica.propose(put(`k${i}`, 'v'), (o) => kinds.push(o.kind));
    await until(() => replica.status().batchesInFlight === 1);
    replica.halt();
    expect(kinds.sort()).toEqual(['stopping', 'stopping', 'unknown']);
  });

  it('passes on the events of the engine', async () => {
    const events: EngineEvent[] = [];
    const { replica } = await open(new KvStateMachine(), {
      handlers: { engineEvent: (event) => events.push(event) },
    });
    await propose(replica, put('k', 'v'));
    await until(() => events.some((event) => event.kind === 'firstCommit'));
    expect(events.map((event) => event.kind)).toEqual(['elected', 'serving', 'firstCommit']);
    expect(replica.leader()).toBe(1);
  });
});
