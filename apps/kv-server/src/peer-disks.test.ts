import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { PeerDisks } from './peer-disks.ts';

const root = mkdtempSync(join(tmpdir(), 'quorate-peers-'));
afterEach(() => rmSync(join(root, 'peers.json'), { force: true }));

it('ST-14: remembers over a restart which disk a peer had, so that a wiped one is refused', () => {
  const before = new PeerDisks(root);
  expect(before.diskOf(2)).toBe('');
  before.learn(2, 'disk-of-2');
  before.learn(3, 'disk-of-3');
  const after = new PeerDisks(root);
  expect([after.diskOf(2), after.diskOf(3), after.diskOf(4)]).toEqual([
    'disk-of-2',
    'disk-of-3',
    '',
  ]);
});

it('refuses a damaged file instead of forgetting whom to refuse', () => {
  writeFileSync(join(root, 'peers.json'), '{"2": ');
  expect(() => new PeerDisks(root)).toThrow(/peers\.json cannot be understood/);
});
