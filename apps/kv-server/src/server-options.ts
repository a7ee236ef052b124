import type { MessagePort } from 'node:worker_threads';
import type { EngineEvent } from '@quorate/consensus';
import type { ClusterMember, ServerSettings } from './cluster-file.ts';
import type { AnyProtocol } from './protocols.ts';

/** What one replica of the service is started with. */
export interface ServerOptions {
  readonly id: number;
  readonly protocol: AnyProtocol;
  readonly clusterId: string;
  readonly members: readonly ClusterMember[];
  readonly settings: ServerSettings;
  readonly dataDirectory: string;
  readonly bootstrap?: 'new' | 'existing';
  /** Where to listen, in place of what the cluster file says for this member. */
  readonly listen: { readonly http: string; readonly peer: string; readonly client: string };
  /** The broker port of a worker thread; needed by the transport `message-port` alone. */
  readonly broker?: MessagePort;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
  /** Told each engine event; `atMicros` is CLOCK_MONOTONIC. */
  readonly onEvent?: (event: EngineEvent, atMicros: number) => void;
  /** Told when the replica has stopped because it cannot go on. */
  readonly onFatal?: (code: string, message: string) => void;
}

/** Where a member of the cluster listens; empty where it is not known yet. */
export interface MemberAddress {
  readonly id: number;
  readonly http: string;
  readonly peer: string;
  readonly client: string;
}
