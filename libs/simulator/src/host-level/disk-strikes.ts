import { equalBytes, type Random, required } from '@quorate/foundation';
import type { DiskFault, DiskOperation } from '../disk/disk-faults.ts';
import { SECTOR_BYTES } from '../disk/sector-set.ts';
import type { HostCluster } from './host-cluster.ts';
import { type HostNode, SNAPSHOT_DIRECTORY, WAL_DIRECTORY } from './host-node.ts';
import type { Probe } from './probes.ts';

const SLOW_SYNC_MICROS = 400_000;
const STUCK_MICROS_MIN = 500_000;
const STUCK_MICROS_MAX = 5_000_000;
const SKIPPED_OPERATIONS_MAX = 8;
/** One error or hang in so many concerns snapshots, the others the log. */
const SNAPSHOTS_ONE_IN = 4;
/** The process ends so soon after the loss: later the log may not need the lost part any more. */
const SHOWN_WITHIN_MICROS = 200_000;
/** Where a misdirected write may land, relative to its own place. */
const SHIFTS_BYTES = [-8192, -4096, 512, 4096, 65_536];
/** Effects after which a name on the disk is different. */
const NAMING: ReadonlySet<DiskOperation> = new Set(['open', 'rename', 'remove', 'syncDirectory']);
const WRITING: ReadonlySet<DiskOperation> = new Set(['write', 'sync']);

const DISK_FAULT_KINDS = [
  'slowSync',
  'stuckOperation',
  'syncError',
  'readError',
  'noSpace',
  'bitFlip',
  'zeroedSector',
  'powerCutMidWrite',
  'powerCutAtName',
  'lostWrite',
  'misdirectedWrite',
  'lyingSync',
] as const;
/** The kinds of faults that happen to one disk. */
export type DiskFaultKind = (typeof DISK_FAULT_KINDS)[number];

/** True for the kinds that {@link strikeDisk} knows. */
export function isDiskFault(kind: string): kind is DiskFaultKind {
  return DISK_FAULT_KINDS.some((known) => known === kind);
}

/** What a strike on a disk needs to know. */
export interface DiskTarget<M> {
  readonly cluster: HostCluster<M>;
  readonly node: HostNode<M>;
  readonly random: Random;
  /** To be called when the fault has taken effect, once or more often. */
  readonly took: () => void;
}

/** Does harm to the disk of a node and returns how to end it; null when it found no target. */
export function strikeDisk<M>(kind: DiskFaultKind, target: DiskTarget<M>): (() => void) | null {
  switch (kind) {
    case 'slowSync':
      return slowSync(target);
    case 'stuckOperation':
      return stuckOperation(target);
    case 'syncError':
      return syncError(target);
    case 'readError':
      return readError(target);
    case 'noSpace':
      return noSpace(target);
    case 'bitFlip':
    case 'zeroedSector':
      return rot(target, kind);
    case 'powerCutMidWrite':
      return cutAtEffect(target, WRITING, 'powerCutMidWrite');
    case 'powerCutAtName':
      return cutAtEffect(target, NAMING, 'powerCutAtName');
    default:
      return loseWrites(target, kind);
  }
}

function slowSync<M>({ node, random, took }: DiskTarget<M>): () => void {
  const slower = 1 + random.below(SLOW_SYNC_MICROS);
  node.disk.delays.syncMicros += slower;
  took();
  return () => {
    node.disk.delays.syncMicros -= slower;
  };
}

/** A write or sync of log or snapshot hangs for seconds, also in the middle of a group (ST-11). */
function stuckOperation<M>({ cluster, node, random, took }: DiskTarget<M>): () => void {
  const { writeThrough } = cluster.world.swarm;
  return node.disk.inject({
    operation: writeThrough || random.below(2) === 0 ? 'write' : 'sync',
    effect: 'delay',
    path: random.below(SNAPSHOTS_ONE_IN) === 0 ? SNAPSHOT_DIRECTORY : WAL_DIRECTORY,
    skip: random.below(SKIPPED_OPERATIONS_MAX),
    delayMicros: random.between(STUCK_MICROS_MIN, STUCK_MICROS_MAX),
    onStrike: () => {
      cluster.world.probes.hit('operationStuck');
      took();
    },
  });
}

/** A write or sync fails: fatal in the log (S5), one more try for a snapshot. */
function syncError<M>({ node, random, took }: DiskTarget<M>): () => void {
  const operation = random.below(2) === 0 ? 'write' : 'sync';
  const skip = random.below(SKIPPED_OPERATIONS_MAX);
  const path = random.below(SNAPSHOTS_ONE_IN) === 0 ? SNAPSHOT_DIRECTORY : WAL_DIRECTORY;
  return node.disk.inject({ operation, effect: 'error', path, skip, onStrike: took });
}

/** Reads fail while a replica starts: that says nothing about what is on the disk. */
function readError<M>({ cluster, node, random, took }: DiskTarget<M>): () => void {
  const skip = random.below(SKIPPED_OPERATIONS_MAX);
  const path = random.below(SNAPSHOTS_ONE_IN) === 0 ? SNAPSHOT_DIRECTORY : WAL_DIRECTORY;
  const onStrike = (): void => {
    cluster.world.probes.hit('readFailed');
    took();
  };
  const times = 1 + random.below(2);
  node.kill();
  const forget = node.disk.inject({
    ...{ operation: 'read', effect: 'error', path, skip, times, onStrike },
  });
  node.start();
  return forget;
}

/** Nothing grows any more: neither the next segment nor a snapshot that is being written. */
function noSpace<M>({ node, took }: DiskTarget<M>): () => void {
  node.disk.capacityBytes = node.disk.usedBytes();
  took();
  return () => {
    node.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
  };
}

/** Power goes exactly when the next but n-th effect of these kinds would take place. */
function cutAtEffect<M>(
  { cluster, node, random, took }: DiskTarget<M>,
  operations: ReadonlySet<DiskOperation>,
  probe: Probe,
): () => void {
  const { disk } = node;
  let left = 1 + random.below(6);
  disk.onEffect = (_number, operation) => {
    if (!operations.has(operation)) return;
    left--;
    if (left > 0) return;
    disk.onEffect = null;
    cluster.world.probes.hit(probe);
    took();
    node.powerCut();
  };
  return () => {
    disk.onEffect = null;
    node.start();
  };
}

/**
 * Bits rot on one machine at a time, on one that is down or under a running process: in a part of
 * its log that was synced long ago, or in a snapshot. It must refuse to start unless it needs that
 * file no more; then the disk is restored and it starts again.
 */
function rot<M>(target: DiskTarget<M>, kind: 'bitFlip' | 'zeroedSector'): (() => void) | null {
  const { cluster, node, random, took } = target;
  const { disk } = node;
  const segments = disk.names(WAL_DIRECTORY).filter((name) => name.includes('segment'));
  const snapshots = disk.names(SNAPSHOT_DIRECTORY).filter((name) => !name.endsWith('.tmp'));
  const paths = [
    // Not the segment being written (a damaged last group cannot be told from a torn one), nor
    // the next one, which lies ready.
    ...segments.slice(0, -2).map((name) => `${WAL_DIRECTORY}/${name}`),
    ...snapshots.map((name) => `${SNAPSHOT_DIRECTORY}/${name}`),
  ];
  const path = paths[random.below(Math.max(1, paths.length))];
  if (path === undefined || cluster.nodes.some(({ damaged }) => damaged)) return null;
  const restarts = random.below(2) === 0;
  const damage = damageOf(disk.contents(path), kind, random);
  if (damage === null) return null;
  if (restarts) node.kill();
  const { offset, before, after } = damage;
  disk.overwrite(path, offset, after);
  took();
  node.damaged = kind;
  if (restarts) node.start();
  return () => {
    if (restarts) node.kill();
    // Unless the replica went on without the file: then it is gone, or was written anew.
    if (disk.has(path)) {
      const found = disk.contents(path).subarray(offset, offset + after.length);
      if (equalBytes(found, after)) disk.overwrite(path, offset, before);
    }
    node.damaged = null;
    node.start();
  };
}

interface Damage {
  readonly offset: number;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** One flipped bit, or one sector of zeros that was not all zeros; null when there is none. */
function damageOf(
  bytes: Uint8Array,
  kind: 'bitFlip' | 'zeroedSector',
  random: Random,
): Damage | null {
  if (bytes.length === 0) return null;
  const place = random.below(bytes.length);
  if (kind === 'bitFlip') {
    const before = bytes.slice(place, place + 1);
    const after = before.slice();
    after[0] = required(before[0], 'a byte') ^ (1 << random.below(8));
    return { offset: place, before, after };
  }
  let offset = place - (place % SECTOR_BYTES);
  // The rest of a segment is zeros anyway: go back to the last sector that holds something.
  for (; offset >= 0; offset -= SECTOR_BYTES) {
    const before = bytes.slice(offset, offset + SECTOR_BYTES);
    if (before.some((byte) => byte !== 0)) {
      return { offset, before, after: new Uint8Array(before.length) };
    }
  }
  return null;
}

/**
 * The disk acknowledges writes of the log that reach nothing or another place, or syncs that make
 * nothing durable (ST-09, ST-10). Then its process is killed, or its power cut, so that it shows.
 */
function loseWrites<M>(
  { cluster, node, random, took }: DiskTarget<M>,
  kind: 'lostWrite' | 'misdirectedWrite' | 'lyingSync',
): (() => void) | null {
  const { nodes, world } = cluster;
  const tolerated = Math.floor((nodes.length - 1) / 2);
  if (nodes.filter(({ suspect }) => suspect).length >= tolerated) return null;
  let shown = false;
  const show = (): void => {
    if (shown) return;
    shown = true;
    for (const one of forget) one();
    if (kind === 'lyingSync') node.powerCut();
    else node.kill();
    node.start();
  };
  const onStrike = (): void => {
    if (!node.suspect) world.queue.after(random.below(SHOWN_WITHIN_MICROS), show);
    node.suspect = true;
    world.probes.hit(kind);
    took();
  };
  const one = { path: WAL_DIRECTORY, skip: random.below(SKIPPED_OPERATIONS_MAX), onStrike };
  const always = { path: WAL_DIRECTORY, times: Number.MAX_SAFE_INTEGER, onStrike };
  const shiftBytes = required(SHIFTS_BYTES[random.below(SHIFTS_BYTES.length)], 'a distance');
  const planned: readonly DiskFault[] =
    kind === 'lostWrite'
      ? [{ ...one, operation: 'write', effect: 'lost', times: 1 + random.below(2) }]
      : kind === 'misdirectedWrite'
        ? [{ ...one, operation: 'write', effect: 'misdirected', shiftBytes }]
        : [
            { ...always, operation: 'sync', effect: 'lie' },
            { ...always, operation: 'syncDirectory', effect: 'lie' },
            ...(world.swarm.writeThrough
              ? [{ ...always, operation: 'write', effect: 'lie' } as const]
              : []),
          ];
  const forget = planned.map((fault) => node.disk.inject(fault));
  return show;
}
