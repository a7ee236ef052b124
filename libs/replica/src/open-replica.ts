import {
  decodeSnapshotMeta,
  instant,
  RecordKind,
  type SnapshotMeta,
  type WalRecord,
} from '@quorate/consensus';
import { assert, InvariantViolation, required } from '@quorate/foundation';
import type { SnapshotStore } from '@quorate/snapshot-store';
import { ReplicaError } from './errors.ts';
import { REPLICA_LIMITS_DEFAULT, type ReplicaLimits, SNAPSHOT_POLICY_DEFAULT } from './limits.ts';
import { ReplicaLoop } from './replica-loop.ts';
import { restoreFromStore } from './restore-from-store.ts';
import type { OpenError, Replica, ReplicaOptions } from './types.ts';

type OpenDone = (error: OpenError | null, replica: Replica | null) => void;

/**
 * Opens a replica over what its log recovered: opens the snapshot store with the snapshots that the
 * log names, restores the state machine from the newest one, opens the engine over the records,
 * starts the transport and the loop. A snapshot that a durable record names and that is missing or
 * damaged refuses to start with the store's coded error. `done` is called once, in a later turn.
 */
export function openReplica<M>(options: ReplicaOptions<M>, done: OpenDone): void {
  const limits: ReplicaLimits = { ...REPLICA_LIMITS_DEFAULT, ...options.limits };
  const { payloadBytesMax } = options.config.limits;
  assert(limits.commandsMax >= 1 && limits.inFlightBatchesMax >= 1, 'a batch holds a command');
  assert(
    Math.max(limits.batchBytesMax + 8 * limits.commandsMax, limits.commandBytesMax) + 64 <=
      payloadBytesMax,
    'a batch fits the payload limit of the engine',
  );
  options.openSnapshots(snapshotsNamed(options.wal.records), (error, opened) => {
    if (error !== null) {
      done(error, null);
      return;
    }
    const { store, latest } = required(opened, 'a store that opened without an error');
    if (latest === null) {
      openEngine(options, limits, store, null, done);
      return;
    }
    restoreLatest(options, store, latest, (restoreError) => {
      if (restoreError !== null) done(restoreError, null);
      else openEngine(options, limits, store, latest, done);
    });
  });
}

/** The different snapshots that the records name, in order; the last one is the one that counts. */
function snapshotsNamed(records: Iterable<WalRecord>): SnapshotMeta[] {
  const named = new Map<number, SnapshotMeta>();
  for (const record of records) {
    if (record.kind !== RecordKind.snapshot) continue;
    named.delete(record.index); // A checkpoint restates it; its last place counts.
    named.set(record.index, decodeSnapshotMeta(record.payload));
  }
  return [...named.values()];
}

function restoreLatest<M>(
  options: ReplicaOptions<M>,
  store: SnapshotStore,
  latest: SnapshotMeta,
  done: (error: OpenError | null) => void,
): void {
  restoreFromStore(store, options.stateMachine, latest, (error, refusal) => {
    if (error === null && refusal !== null) {
      const message = `the state machine refuses the snapshot at index ${latest.index}: ${refusal}`;
      done(new ReplicaError('REPLICA_ERR_SNAPSHOT_FORMAT', message));
    } else {
      done(error);
    }
  });
}

function openEngine<M>(
  options: ReplicaOptions<M>,
  limits: ReplicaLimits,
  store: SnapshotStore,
  snapshot: SnapshotMeta | null,
  done: OpenDone,
): void {
  const { protocol, clock, transport } = options;
  const config = { ...options.config, now: instant(clock.now()) };
  let loop: ReplicaLoop<M>;
  try {
    const engine = protocol.open(config, options.random, snapshot, options.wal.records);
    const codec = protocol.createCodec(options.records);
    const policy = { ...SNAPSHOT_POLICY_DEFAULT, ...options.snapshots };
    loop = new ReplicaLoop({ options, engine, codec, store, snapshot, limits, policy });
  } catch (error) {
    done(openingError(protocol.name, error), null);
    return;
  }
  if (transport === null) {
    loop.start();
    done(null, loop);
    return;
  }
  transport.start(loop.peerHandlers, (error) => {
    if (error !== null) {
      done(error, null);
      return;
    }
    loop.start();
    done(null, loop);
  });
}

function openingError(protocol: string, error: unknown): ReplicaError {
  const message = `${protocol}: ${error instanceof Error ? error.message : String(error)}`;
  if (error instanceof InvariantViolation) return new ReplicaError('REPLICA_ERR_RECORDS', message);
  if (error instanceof RangeError) return new ReplicaError('REPLICA_ERR_CONFIG', message);
  throw error;
}
