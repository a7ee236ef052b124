import {
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  type EngineLimits,
  type Member,
  type NodeId,
  type Protocol,
  type StateMachine,
} from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import { nodeDigest, openSnapshotStore } from '@quorate/snapshot-store';
import { createPeerTransport, nodeNet, type PeerTransport, tcpFrames } from '@quorate/transport';
import {
  nodeRecordCodec,
  type OpenedWal,
  openNodeDisk,
  openWal,
  type SyncPolicy,
  type Wal,
} from '@quorate/wal';
import type { ReplicaLimits, SnapshotPolicy } from './limits.ts';
import { nodeClock } from './node-clock.ts';
import { openReplica } from './open-replica.ts';
import type { ProposeOutcome, ReadOutcome, Replica, ReplicaHandlers } from './types.ts';

/** A replica on this machine's disk and network, for tests and benchmarks of this library. */
export interface HostOptions<M> {
  readonly protocol: Protocol<M>;
  readonly directory: string;
  readonly id: NodeId;
  readonly members: readonly Member[];
  readonly create: boolean;
  readonly stateMachine: StateMachine;
  readonly sync?: SyncPolicy;
  readonly segmentBytes?: number;
  readonly limits?: Partial<ReplicaLimits>;
  readonly engineLimits?: Partial<EngineLimits>;
  readonly snapshots?: Partial<SnapshotPolicy>;
  readonly handlers?: ReplicaHandlers;
}

/** What the fixture has opened. */
export interface Host {
  readonly replica: Replica;
  readonly transport: PeerTransport | null;
  readonly recovered: OpenedWal['recovery'];
  readonly wal: Wal;
}

/** Hosts that were stopped or crashed. */
const over = new WeakSet<Host>();

/** Opens log, snapshots, transport (for more than one member) and replica below `directory`. */
export function openHost<M>(options: HostOptions<M>): Promise<Host> {
  const { directory, id, members, protocol } = options;
  const disk = openNodeDisk(directory);
  const clock = nodeClock();
  const records = nodeRecordCodec();
  const diskId = members.find((member) => member.id === id)?.disk ?? '';
  const identity = { clusterId: 'fixture', nodeId: id, diskId, protocol: protocol.name };
  const membership = { voters: [...members], learners: [], witnesses: [] };
  const limits = { ...DEFAULT_LIMITS, ...options.engineLimits };
  return new Promise((resolve, reject) => {
    const { create, sync = 'group', segmentBytes = 1024 * 1024 } = options;
    const wal = { disk, directory: 'wal', identity, records, clock, create, sync, segmentBytes };
    openWal(wal, (walError, opened) => {
      if (walError !== null || opened === null) return reject(walError);
      const random = createRandom(`fixture/${id}/${clock.now()}`);
      const transport = members.length === 1 ? null : dial(options, identity);
      openReplica<M>(
        {
          protocol,
          config: { id, membership, ...DEFAULT_TIMING, detector: 'timers', variants: {}, limits },
          clock,
          random,
          records,
          wal: opened,
          openSnapshots: (named, done) =>
            openSnapshotStore(
              { disk, directory: 'snapshots', clock, createDigest: nodeDigest, named },
              done,
            ),
          transport,
          stateMachine: options.stateMachine,
          ...(options.limits === undefined ? {} : { limits: options.limits }),
          ...(options.snapshots === undefined ? {} : { snapshots: options.snapshots }),
          ...(options.handlers === undefined ? {} : { handlers: options.handlers }),
        },
        (error, replica) => {
          if (error !== null || replica === null) reject(error);
          else resolve({ replica, transport, recovered: opened.recovery, wal: opened.wal });
        },
      );
    });
  });
}

function dial<M>(
  options: HostOptions<M>,
  identity: { clusterId: string; nodeId: NodeId; diskId: string; protocol: string },
): PeerTransport {
  const listenAddress = options.members.find((member) => member.id === options.id)?.address ?? '';
  return createPeerTransport({
    network: tcpFrames(nodeNet()),
    listenAddress,
    identity,
    clock: nodeClock(),
    random: createRandom(`dial/${options.id}`),
  });
}

/** Proposes one command as a promise. */
export function propose(replica: Replica, command: Uint8Array): Promise<ProposeOutcome> {
  return new Promise((resolve) => replica.propose(command, resolve));
}

/** Reads as a promise; the state may have moved on when it resolves. */
export function read(
  replica: Replica,
  level: 'linearizable' | 'stale' = 'linearizable',
): Promise<ReadOutcome> {
  return new Promise((resolve) => replica.read(level, resolve));
}

/**
 * Ends a replica as a crash does: it says nothing more. A process that is gone does nothing to its
 * files any more, so the promise resolves when the log's operations are over; only then may the
 * next life open them.
 */
export function crashHost(host: Host): Promise<void> {
  if (over.has(host)) return Promise.resolve();
  over.add(host);
  host.replica.halt();
  return new Promise((resolve) => host.wal.close(() => resolve()));
}

/** Stops gracefully as a promise. */
export function stopHost(host: Host): Promise<void> {
  over.add(host);
  return new Promise((resolve, reject) => {
    host.replica.stop((error) => (error === null ? resolve() : reject(error)));
  });
}
