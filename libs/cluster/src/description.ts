import type { EventLine, MemberAddresses } from './control-protocol.ts';

/** How replicas run: one operating-system process each, or one worker thread each. */
export type Runtime = 'process' | 'worker';

/** Settings that every replica of a cluster shares; names as in `cluster.yaml` and the flags. */
export interface ReplicaSettings {
  readonly protocol: string;
  readonly variants: Readonly<Record<string, boolean | number | string>>;
  readonly transport: 'grpc' | 'tcp' | 'message-port';
  readonly clientTransport: 'grpc' | 'tcp';
  readonly sync: 'each' | 'group' | 'periodic' | 'none' | 'memory';
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: readonly [number, number];
  readonly detector: 'timers' | 'timers+socket';
  readonly batchCommandsMax?: number;
  readonly batchBytesMax?: number;
  readonly inFlightBatchesMax?: number;
  readonly proposalsQueuedMax?: number;
  readonly segmentBytes?: number;
  readonly snapshotEveryEntries?: number;
}

/** What a cluster is made of. */
export interface ClusterDescription {
  readonly clusterId: string;
  readonly runtime: Runtime;
  /** The ids of the replicas, in starting order; a block permutes them by its seed. */
  readonly nodeIds: readonly number[];
  readonly settings: ReplicaSettings;
  /** An existing folder: each replica gets `node-<id>` in it, beside `cluster.yaml` and logs. */
  readonly directory: string;
  /** The compiled entry files of the server: a script for processes, a module for threads. */
  readonly entries: { readonly process: string; readonly worker: string };
  /** Told every engine event of every replica. */
  readonly onEvent?: (node: number, event: EventLine) => void;
  /** Told when a replica ends without having been asked to. */
  readonly onUnexpectedExit?: (node: number, reason: string) => void;
  /** A replica that is not ready after this long failed to start. */
  readonly startTimeoutMs?: number;
}

/** Evidence that something was done to a replica: how it is known, and when it was complete. */
export interface Evidence {
  readonly method:
    | 'exit-signal'
    | 'proc-state'
    | 'link-counters'
    | 'thread-exit'
    | 'event-loop'
    | 'ready-line';
  readonly detail: string;
  /** CLOCK_MONOTONIC microseconds at *completion*, not at the request. */
  readonly atMicros: number;
}

/** How a replica is started. */
export interface LaunchOptions {
  readonly id: number;
  readonly bootstrap: 'new' | 'existing';
  readonly dataDirectory: string;
  readonly clusterFile: string;
  /** Where it listened before, to be taken again; null takes free ports. */
  readonly addresses: MemberAddresses | null;
}

/** Where the default start timeout comes from: a cold Node start on a loaded 2-core machine. */
export const START_TIMEOUT_MS = 30_000;
