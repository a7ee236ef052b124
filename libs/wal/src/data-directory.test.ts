import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { LogIndex, NodeId } from '@quorate/consensus';
import { acceptRecord } from '@quorate/simulator';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type DataDirectory,
  type DataDirectoryOptions,
  nodeRecordCodec,
  type OpenedWal,
  openDataDirectory,
  openNodeDisk,
  openWal,
  type SyncPolicy,
  storageKind,
  type Wal,
  type WalOptions,
} from './index.ts';

let root = '';
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-wal-'));
});
afterEach(() => {
  fs.chmodSync(root, 0o700);
  fs.rmSync(root, { recursive: true });
});

function openDirectory(overrides: Partial<DataDirectoryOptions> = {}): Promise<DataDirectory> {
  const options = { root, clusterId: 'c', nodeId: 1 as NodeId, protocol: 'none', ...overrides };
  return new Promise((resolve, reject) => {
    openDataDirectory(options, (error, directory) => {
      if (error !== null) reject(error);
      else resolve(directory as DataDirectory);
    });
  });
}

const release = (directory: DataDirectory) =>
  new Promise<void>((resolve) => directory.release(resolve));

describe('a data directory', () => {
  it('is made by `new`, refused by a second `new`, found by `existing`', async () => {
    const made = await openDirectory({ bootstrap: 'new' });
    expect(made.fresh).toBe(true);
    made.markInitialized();
    await release(made);
    await expect(openDirectory({ bootstrap: 'new' })).rejects.toMatchObject({
      code: 'WAL_ERR_USED',
    });
    const found = await openDirectory();
    expect(found.fresh).toBe(false);
    expect(found.identity).toEqual(made.identity);
    await release(found);
  });

  it('may be made again when a first start was interrupted before its log existed', async () => {
    const made = await openDirectory({ bootstrap: 'new' });
    await release(made);
    const again = await openDirectory({ bootstrap: 'new' });
    expect(again.fresh).toBe(true);
    expect(again.identity.diskId).toBe(made.identity.diskId);
    await release(again);
  });

  it('ST-14, MP-21: empty is refused under `existing` and by default', async () => {
    await expect(openDirectory()).rejects.toMatchObject({ code: 'WAL_ERR_EMPTY' });
    const absent = path.join(root, 'absent');
    const existing = openDirectory({ root: absent, bootstrap: 'existing' });
    await expect(existing).rejects.toMatchObject({ code: 'WAL_ERR_EMPTY' });
    expect(fs.existsSync(absent)).toBe(false);
    await release(await openDirectory({ root: absent }));
  });

  it('with strange files in it is refused under `new`', async () => {
    fs.writeFileSync(path.join(root, 'notes.txt'), '');
    await expect(openDirectory({ bootstrap: 'new' })).rejects.toMatchObject({
      code: 'WAL_ERR_USED',
    });
  });

  it('of another cluster, node or protocol is refused', async () => {
    await release(await openDirectory({ bootstrap: 'new' }));
    for (const other of [{ clusterId: 'd' }, { nodeId: 2 as NodeId }, { protocol: 'other' }]) {
      await expect(openDirectory(other)).rejects.toMatchObject({ code: 'WAL_ERR_FOREIGN' });
    }
  });

  it('with a damaged identity is refused', async () => {
    for (const text of ['{', '{}', '[]', '{"format":1,"clusterId":"c","nodeId":"1"}']) {
      fs.writeFileSync(path.join(root, 'identity.json'), text);
      await expect(openDirectory()).rejects.toMatchObject({ code: 'WAL_ERR_IDENTITY' });
    }
  });

  it('ST-15 that anybody may write into is refused', async () => {
    fs.chmodSync(root, 0o777);
    const refused = openDirectory({ bootstrap: 'new' });
    await expect(refused).rejects.toMatchObject({ code: 'WAL_ERR_PERMISSION' });
  });

  it.skipIf(process.getuid?.() === 0)('ST-15 that is read-only is refused', async () => {
    fs.chmodSync(root, 0o500);
    const refused = openDirectory({ bootstrap: 'new' });
    await expect(refused).rejects.toMatchObject({ code: 'WAL_ERR_PERMISSION' });
  });

  it('is locked while it is open, also below a long path', async () => {
    for (const name of ['short', 'long-'.repeat(40)]) {
      const place = path.join(root, name);
      const held = await openDirectory({ root: place, bootstrap: 'new' });
      const second = openDirectory({ root: place });
      await expect(second).rejects.toMatchObject({ code: 'WAL_ERR_LOCKED' });
      await release(held);
      await release(await openDirectory({ root: place }));
    }
  });

  it('is free again after its owner was killed, and not while the owner is paused', async () => {
    await release(await openDirectory({ bootstrap: 'new' }));
    const script =
      "const server = require('node:net').createServer();" +
      "server.listen(process.argv[1], () => console.log('held'));";
    const owner = spawn(process.execPath, ['-e', script, path.join(root, 'lock')]);
    await once(owner.stdout, 'data');
    owner.kill('SIGSTOP');
    await expect(openDirectory()).rejects.toMatchObject({ code: 'WAL_ERR_LOCKED' });
    const ended = once(owner, 'exit');
    owner.kill('SIGKILL');
    await ended;
    expect(fs.existsSync(path.join(root, 'lock'))).toBe(true);
    await release(await openDirectory());
    expect(fs.readdirSync(root)).toEqual(['identity.json']);
  });
});

describe('a log on the real disk', () => {
  const clock: WalOptions['clock'] = {
    now: () => Math.floor(performance.now() * 1000) as ReturnType<WalOptions['clock']['now']>,
    wallMicros: () => Date.now() * 1000,
    schedule: (at, callback) => {
      const timer = setTimeout(callback, Math.max(0, (at - performance.now() * 1000) / 1000));
      return () => clearTimeout(timer);
    },
    defer: (callback) => void setImmediate(callback),
  };

  const open = (sync: SyncPolicy, writeThrough: boolean): Promise<OpenedWal> =>
    new Promise((resolve, reject) => {
      const options: WalOptions = {
        disk: openNodeDisk(root),
        directory: 'wal',
        identity: { clusterId: 'c', nodeId: 1 as NodeId, diskId: 'd', protocol: 'none' },
        records: nodeRecordCodec(),
        clock,
        create: true,
        sync,
        writeThrough,
        segmentBytes: 128 * 1024,
      };
      openWal(options, (error, opened) => {
        if (error !== null) reject(error);
        else resolve(opened as OpenedWal);
      });
    });

  const close = (wal: Wal) =>
    new Promise<void>((resolve, reject) =>
      wal.close((error) => (error === null ? resolve() : reject(error))),
    );

  for (const [sync, through] of [
    ['group', true],
    ['group', false],
    ['each', true],
    ['periodic', false],
    ['none', false],
  ] as const) {
    it(`keeps ${sync}${through ? ' written through' : ''} batches over rolls`, async () => {
      const { wal } = await open(sync, through);
      let taken = 0;
      wal.setCheckpointSource(() => [acceptRecord(taken)]);
      // The next segment is prepared beside the writes, so a roll comes when that has ended.
      while (taken < 60 || (wal.stats().rolls === 0 && taken < 6000)) {
        const dones = [1, 2, 3].map(
          (step) =>
            new Promise<void>((resolve) => {
              const index = taken + step;
              wal.append([acceptRecord(index, 4000)], true, resolve);
            }),
        );
        taken += 3;
        await Promise.all(dones);
        wal.release((taken - 20) as LogIndex);
      }
      expect(wal.stats().rolls).toBeGreaterThan(0);
      await close(wal);
      const again = await open(sync, through);
      expect(again.recovery.decision).toBe('W6-clean');
      const survivors = [...again.records].filter((record) => record.payload.length === 4000);
      expect(survivors.map((record) => record.index)).toEqual(
        Array.from({ length: survivors.length }, (_, at) => taken + 1 - survivors.length + at),
      );
      expect(survivors.length).toBeGreaterThan(19);
      await close(again.wal);
    });
  }

  it('names the storage behind a directory', () => {
    expect(['memory', 'disk', 'unknown']).toContain(storageKind(root).kind);
    if (fs.existsSync('/dev/shm')) expect(storageKind('/dev/shm').kind).toBe('memory');
  });
});
