import type { Clock, Member, NodeId } from '@quorate/consensus';
import { byteCount, type Random } from '@quorate/foundation';
import { FaultLane } from './fault-lane.ts';
import { isProbe, PROBE_FRAME } from './idle-probe.ts';
import type { PeerDialer } from './peer-dialer.ts';
import type { PeerSession } from './peer-session.ts';
import type { LinkCounters, LinkFault, PeerHandlers } from './types.ts';

const PROBE_PARTS: readonly Uint8Array[] = [PROBE_FRAME];

/** What a link needs of its transport. */
export interface PeerLinkOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly queueBytesMax: number;
  readonly handlers: () => PeerHandlers | null;
  /** A session of this link is over; the dialing end dials again. */
  readonly sessionOver: (link: PeerLink) => void;
}

/** One peer: its session, if any, and the two directions of the link with their faults. */
export class PeerLink {
  member: Member;
  /** The disk id that the peer must show; learned from its first hello when not told before. */
  disk: string;
  /** Set at the end that dials. */
  dialer: PeerDialer | null = null;
  /** Takes up a hello that a cut held back; the latest one, as earlier connections are gone. */
  heldHello: (() => void) | null = null;
  /** The peer left the membership. */
  removed = false;
  readonly outbound: FaultLane;
  readonly inbound: FaultLane;
  private readonly options: PeerLinkOptions;
  private session: PeerSession | null = null;
  private sessions = 0;
  private fault: LinkFault | null = null;
  private unflushed = false;
  /** Nothing was sent since the last `probe`. */
  private silent = true;

  constructor(member: Member, options: PeerLinkOptions) {
    this.member = member;
    this.disk = member.disk;
    this.options = options;
    const { clock, random } = options;
    this.outbound = new FaultLane({
      clock,
      random: random.split('outbound'),
      deliver: (parts) => this.transmit(parts),
      released: () => this.flush(),
    });
    this.inbound = new FaultLane({
      clock,
      random: random.split('inbound'),
      deliver: (parts) => this.hand(parts[0] as Uint8Array),
      released: () => {},
    });
  }

  get id(): NodeId {
    return this.member.id;
  }

  get isOpen(): boolean {
    return this.session !== null && this.session.state === 'open';
  }

  get queuedBytes(): number {
    if (this.session === null) return 0;
    return this.session.channel.queuedBytes + this.outbound.counters.bytesWaiting;
  }

  /** True while no connection can be made over this link. */
  get isCut(): boolean {
    return this.fault?.cut === true;
  }

  /** Queues a frame on the session; see `PeerTransport.send`. */
  send(parts: readonly Uint8Array[]): boolean {
    if (!this.isOpen) return false;
    const bytes = byteCount(parts);
    this.outbound.count(bytes);
    let taken = true;
    if (this.outbound.idle) this.transmit(parts);
    else taken = this.outbound.offer(parts, bytes);
    if (taken && this.queuedBytes <= this.options.queueBytesMax) return true;
    this.end('TRANSPORT_ERR_QUEUE_FULL: the peer does not keep up');
    return false;
  }

  /**
   * Says something on a session on which nothing was sent since the last call: when the peer's
   * machine lost power and came back, its answer to these bytes ends the session (SIM-03).
   */
  probe(): void {
    if (this.silent && this.isOpen && this.outbound.idle) {
      this.transmit(PROBE_PARTS);
      this.flush();
    }
    this.silent = true;
  }

  /** Hands what is queued to the network. */
  flush(): void {
    if (!this.unflushed) return;
    this.unflushed = false;
    this.session?.channel.flush();
  }

  /** A frame arrived on the open session. */
  receive(session: PeerSession, frame: Uint8Array): void {
    if (session !== this.session || isProbe(frame)) return;
    this.inbound.count(frame.length);
    if (this.inbound.idle) {
      this.hand(frame);
      return;
    }
    const taken = this.inbound.offer([frame], frame.length);
    if (taken && this.inbound.counters.bytesWaiting <= this.options.queueBytesMax) return;
    this.finish(session, 'TRANSPORT_ERR_QUEUE_FULL: a fault holds too much back');
  }

  /** Starts a session, ending an older one first. */
  open(session: PeerSession): void {
    if (this.session !== null) this.finish(this.session, 'a newer session replaced it');
    this.session = session;
    this.sessions++;
    session.state = 'open';
    session.link = this;
    this.dialer?.succeeded();
    this.options.handlers()?.connected(this.id);
  }

  /** Ends the session from within a call: the host is told in a later turn. */
  end(reason: string): void {
    const session = this.session;
    if (session === null || session.state !== 'open') return;
    session.state = 'ending';
    session.channel.close();
    this.options.clock.defer(() => this.finish(session, reason));
  }

  /** The session is over, and the host is told now. */
  finish(session: PeerSession, reason: string): void {
    if (session.state === 'over') return;
    session.state = 'over';
    session.channel.close();
    if (session !== this.session) return;
    this.session = null;
    this.unflushed = false;
    this.outbound.drop();
    this.inbound.drop();
    this.options.handlers()?.disconnected(this.id, reason);
    this.options.sessionOver(this);
  }

  /** Installs or heals the link's fault. */
  setFault(fault: LinkFault | null): void {
    this.fault = fault;
    const both = fault?.direction === 'both';
    this.outbound.setFault(both || fault?.direction === 'outbound' ? fault : null);
    this.inbound.setFault(both || fault?.direction === 'inbound' ? fault : null);
    if (this.isCut || this.heldHello === null) return;
    this.options.clock.defer(this.heldHello);
    this.heldHello = null;
  }

  /** Stops everything without telling the host. */
  stop(): void {
    this.dialer?.stop();
    this.outbound.drop();
    this.inbound.drop();
    if (this.session === null) return;
    this.session.state = 'over';
    this.session.channel.close();
    this.session = null;
  }

  counters(): LinkCounters {
    return {
      peer: this.id,
      connected: this.isOpen,
      sessions: this.sessions,
      fault: this.fault,
      outbound: { ...this.outbound.counters },
      inbound: { ...this.inbound.counters },
    };
  }

  private transmit(parts: readonly Uint8Array[]): void {
    if (this.session === null) return;
    this.session.channel.send(parts);
    this.unflushed = true;
    this.silent = false;
  }

  private hand(frame: Uint8Array): void {
    if (this.isOpen) this.options.handlers()?.frame(this.id, frame);
  }
}
