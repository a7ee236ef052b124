import type { Member, NodeId } from '@quorate/consensus';
import { concatBytes } from '@quorate/foundation';
import type {
  LinkCounters,
  LinkFault,
  PeerHandlers,
  PeerTransport,
  TransportError,
} from '@quorate/transport';
import type { DatagramNetwork } from './datagram-network.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** Engines' frames start with a field of 1 to 15, one byte; hosts' own with 100 or above, two. */
const TWO_BYTE_FIELD = 0x80;

/**
 * A transport for protocols that do not need FIFO channels: the engine's messages travel as
 * datagrams, sessions or not. Sessions stand all the same, for what the hosts say to each other
 * (chunks of snapshots), which does need them: those parts are the production transport's.
 */
export class DatagramTransport implements PeerTransport {
  private readonly sessions: PeerTransport;
  private readonly network: DatagramNetwork;
  private readonly process: SimulatedProcess;
  private stopped = false;

  constructor(sessions: PeerTransport, network: DatagramNetwork, process: SimulatedProcess) {
    this.sessions = sessions;
    this.network = network;
    this.process = process;
  }

  get address(): string {
    return this.sessions.address;
  }

  start(handlers: PeerHandlers, done: (error: TransportError | null) => void): void {
    this.sessions.start(handlers, (error) => {
      done(error);
      if (error !== null) return;
      this.network.listen(this.process, (from, bytes) => {
        if (!this.stopped) handlers.frame(from, bytes);
      });
    });
  }

  send(peer: NodeId, parts: readonly Uint8Array[]): boolean {
    const first = parts[0]?.[0] ?? TWO_BYTE_FIELD;
    if (first >= TWO_BYTE_FIELD) return this.sessions.send(peer, parts);
    this.network.send(this.process.node, peer, concatBytes(parts));
    return true;
  }

  setPeers(members: readonly Member[]): void {
    this.sessions.setPeers(members);
  }

  isConnected(peer: NodeId): boolean {
    return this.sessions.isConnected(peer);
  }

  flush(): void {
    this.sessions.flush();
  }

  queuedBytes(peer: NodeId): number {
    return this.sessions.queuedBytes(peer);
  }

  resetSession(peer: NodeId): void {
    this.sessions.resetSession(peer);
  }

  setLinkFault(peer: NodeId, fault: LinkFault | null): void {
    this.sessions.setLinkFault(peer, fault);
  }

  linkCounters(): LinkCounters[] {
    return this.sessions.linkCounters();
  }

  stop(done: () => void): void {
    this.stopped = true;
    this.sessions.stop(done);
  }
}
