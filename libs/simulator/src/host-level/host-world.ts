import type { EngineEvent, Instant, NodeId, Protocol } from '@quorate/consensus';
import type { Random } from '@quorate/foundation';
import type { Fail } from '../engine-level/ghost-state.ts';
import type { EventQueue } from '../event-queue.ts';
import type { LinkMatrix } from '../link-matrix.ts';
import type { DatagramNetwork } from '../ports/datagram-network.ts';
import type { SimulatedNetwork } from '../ports/simulated-net.ts';
import type { RunObserver } from '../run-observer.ts';
import type { FrameGarbler } from './frame-garbler.ts';
import type { HostSettings, SwarmOptions } from './host-options.ts';
import type { FrameWatch } from './observed-transport.ts';
import type { ProbeCounts } from './probes.ts';
import type { ReplicaGhost } from './replica-ghost.ts';
import type { StoreGhost } from './store-ghost.ts';

/** What all nodes and clients of one run share. */
export interface HostWorld<M> {
  readonly protocol: Protocol<M>;
  readonly ids: readonly NodeId[];
  readonly queue: EventQueue;
  readonly links: LinkMatrix;
  readonly network: SimulatedNetwork;
  /** Carries the engines' messages in runs without FIFO channels, else null. */
  readonly datagrams: DatagramNetwork | null;
  readonly garbler: FrameGarbler;
  readonly random: Random;
  readonly swarm: SwarmOptions;
  readonly settings: HostSettings;
  readonly ghost: ReplicaGhost;
  /** The rules of the protocol, if it has some. */
  readonly observer: RunObserver<M> | null;
  readonly store: StoreGhost;
  readonly probes: ProbeCounts;
  readonly frames: FrameWatch;
  readonly fail: Fail;
  readonly onEngineEvent: ((node: NodeId, event: EngineEvent, at: Instant) => void) | null;
  /** Notes an event: into the trace hash by its kind and number, and as a line for people. */
  note(node: number, kind: string, detail: () => string, number?: number): void;
}

/** Where a replica listens for its peers. */
export const peerAddress = (id: number): string => `node-${id}:7000`;
/** Where a replica listens for clients. */
export const clientAddress = (id: number): string => `node-${id}:8000`;
