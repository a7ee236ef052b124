import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type Clock,
  instant,
  logIndex,
  type NodeId,
  nodeId,
  type SnapshotMeta,
} from '@quorate/consensus';
import { concatBytes } from '@quorate/foundation';
import { nodeDigest, openSnapshotStore, type SnapshotStore } from '@quorate/snapshot-store';
import { openNodeDisk } from '@quorate/wal';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeHostFrame, type HostFrame } from './host-frames.ts';
import { nodeClock } from './node-clock.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { SnapshotSender } from './snapshot-sender.ts';

const SENDER = nodeId(1);
const RECEIVER = nodeId(2);
const STATE_BYTES = 1_000_000; // Four chunks.

let root = '';
let now = 0;
const clock: Clock = { ...nodeClock(), now: () => instant(now) };

function openStore(name: string): Promise<SnapshotStore> {
  const disk = openNodeDisk(root);
  return new Promise((resolve, reject) => {
    openSnapshotStore(
      { disk, directory: name, clock: nodeClock(), createDigest: nodeDigest, named: [] },
      (error, opened) => (opened === null ? reject(error) : resolve(opened.store)),
    );
  });
}

function writeSnapshot(store: SnapshotStore, fill: number): Promise<SnapshotMeta> {
  let left = STATE_BYTES;
  const reader = {
    next(bytesMax: number) {
      const bytes = Math.min(left, bytesMax);
      left -= bytes;
      return bytes === 0 ? null : new Uint8Array(bytes).fill(fill);
    },
    close() {},
  };
  const membership = { voters: [], learners: [], witnesses: [] };
  const description = { index: logIndex(10 + fill), membership, engine: new Uint8Array(1) };
  return new Promise((resolve, reject) => {
    store.write(description, reader, (error, meta) =>
      error === null ? resolve(meta) : reject(error),
    );
  });
}

/** A sender and a receiver with real stores; the test carries the frames. */
class Transfer {
  readonly ended: string[] = [];
  readonly offered: SnapshotMeta[] = [];
  readonly toReceiver: HostFrame[] = [];
  readonly toSender: HostFrame[] = [];
  readonly sender: SnapshotSender;
  readonly receiver: SnapshotReceiver;

  constructor(from: SnapshotStore, into: SnapshotStore) {
    const inTurn = (task: () => void): void => task();
    const post = (queue: HostFrame[]) => (_to: NodeId, parts: readonly Uint8Array[]) => {
      const frame = decodeHostFrame(concatBytes(parts));
      if (frame === null) throw new Error('a malformed frame was sent');
      queue.push(frame);
      return true;
    };
    const ended = (to: NodeId, delivered: boolean) => this.ended.push(`${to} ${delivered}`);
    const sending = { store: from, clock, send: post(this.toReceiver), inTurn, ended };
    this.sender = new SnapshotSender(sending, 1000);
    const offered = (_from: NodeId, meta: SnapshotMeta) => this.offered.push(meta);
    const receiving = { store: into, clock, send: post(this.toSender), inTurn, offered };
    this.receiver = new SnapshotReceiver(receiving, 500);
  }

  /** Carries `frames` frames in all, waiting for each. */
  async carry(frames: number): Promise<void> {
    for (let carried = 0; carried < frames; carried++) {
      await until(() => this.toReceiver.length + this.toSender.length > 0);
      expect(this.toReceiver.length + this.toSender.length).toBe(1); // One unacknowledged.
      const chunk = this.toReceiver.shift();
      if (chunk?.kind === 'chunk') this.receiver.chunk(SENDER, chunk);
      const ack = this.toSender.shift();
      if (ack?.kind === 'ack') this.sender.acknowledged(RECEIVER, ack);
    }
  }

  cutSession(): void {
    this.toReceiver.length = 0;
    this.toSender.length = 0;
    this.sender.disconnected(RECEIVER);
    this.receiver.disconnected(SENDER);
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('the transfer of a snapshot', () => {
  let from: SnapshotStore;
  let transfer: Transfer;
  let meta: SnapshotMeta;

  beforeEach(async () => {
    now = 0;
    root = mkdtempSync(path.join(tmpdir(), 'quorate-transfer-'));
    from = await openStore('from');
    transfer = new Transfer(from, await openStore('into'));
    meta = await writeSnapshot(from, 1);
  });

  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  it('delivers the file in chunks, one at a time, and offers it when it is whole', async () => {
    transfer.sender.start(RECEIVER, meta);
    await transfer.carry(8);
    expect(transfer.ended).toEqual(['2 true']);
    expect(transfer.offered).toEqual([meta]);
  });

  it('goes on where a cut session left it', async () => {
    transfer.sender.start(RECEIVER, meta);
    await transfer.carry(4);
    transfer.cutSession();
    expect(transfer.ended).toEqual(['2 false']);
    transfer.sender.start(RECEIVER, meta);
    await transfer.carry(2); // The first chunk again, answered with where to go on.
    await until(() => transfer.toReceiver.length === 1);
    expect(transfer.toReceiver[0]).toMatchObject({ kind: 'chunk', offset: 2 * 256 * 1024 });
    await transfer.carry(4);
    expect(transfer.ended).toEqual(['2 false', '2 true']);
    expect(transfer.offered).toEqual([meta]);
  });

  it('never offers a file whose digest differs', async () => {
    transfer.sender.start(RECEIVER, meta);
    for (let i = 0; i < 4; i++) {
      await until(() => transfer.toReceiver.length === 1);
      const chunk = transfer.toReceiver[0];
      if (i === 2 && chunk?.kind === 'chunk') chunk.data[5] = 99;
      await transfer.carry(2);
    }
    expect(transfer.ended).toEqual(['2 false']);
    expect(transfer.offered).toEqual([]);
  });

  it('refuses a second sender while the first makes progress, not when it is idle', async () => {
    transfer.sender.start(RECEIVER, meta);
    await transfer.carry(2);
    const other = {
      kind: 'chunk',
      transfer: 9,
      meta,
      offset: 0,
      data: new Uint8Array(4),
    } as const;
    await until(() => transfer.toReceiver.length === 1);
    transfer.receiver.chunk(nodeId(3), other);
    expect(transfer.toSender).toEqual([
      { kind: 'ack', transfer: 9, nextOffset: 0, state: 'refused' },
    ]);
    transfer.toSender.length = 0;
    now += 501;
    transfer.receiver.chunk(nodeId(3), other);
    await until(() => transfer.toSender.length === 1);
    expect(transfer.toSender[0]).toMatchObject({ transfer: 9, state: 'continue' });
  });

  it('gives up a peer that does not answer, and a file that is gone', async () => {
    transfer.sender.start(RECEIVER, meta);
    await until(() => transfer.toReceiver.length === 1);
    expect(transfer.sender.deadline()).toBe(1001);
    now = 1001;
    transfer.sender.expire(instant(now));
    expect(transfer.ended).toEqual(['2 false']);
    transfer.sender.start(RECEIVER, { ...meta, index: logIndex(999) });
    await until(() => transfer.ended.length === 2);
    expect(transfer.ended).toEqual(['2 false', '2 false']);
    expect(transfer.sender.deadline()).toBeNull();
  });
});
