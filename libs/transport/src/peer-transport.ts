import { type Cancel, instant, type Member, type NodeId } from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import { TransportError, type TransportErrorCode } from './errors.ts';
import { decodeHello, encodeHello, type Hello, judgeHello } from './hello.ts';
import { PeerDialer } from './peer-dialer.ts';
import { PeerLink, type PeerLinkOptions } from './peer-link.ts';
import { PeerSession, type SessionOwner } from './peer-session.ts';
import type {
  FrameChannel,
  FrameListener,
  LinkCounters,
  LinkFault,
  PeerHandlers,
  PeerTransport,
  PeerTransportLimits,
  PeerTransportOptions,
} from './types.ts';

/** The limits that the comparisons use. */
export const DEFAULT_PEER_LIMITS: PeerTransportLimits = {
  queueBytesMax: 128 * 1024 * 1024,
  helloTimeoutMicros: 2_000_000,
  redialMinMicros: 20_000,
  redialMaxMicros: 500_000,
  handshakesMax: 64,
  idleProbeMicros: 1_000_000,
};

/** Makes a transport; nothing happens before `start`. */
export function createPeerTransport(options: PeerTransportOptions): PeerTransport {
  return new SessionTransport(options);
}

class SessionTransport implements PeerTransport, SessionOwner {
  private readonly options: PeerTransportOptions;
  private readonly limits: PeerTransportLimits;
  private readonly linkOptions: PeerLinkOptions;
  private readonly links = new Map<NodeId, PeerLink>();
  private readonly faults = new Map<NodeId, LinkFault>();
  private readonly handshakes = new Set<PeerSession>();
  private cancelProbe: Cancel = () => {};
  private handlers: PeerHandlers | null = null;
  private listener: FrameListener | null = null;
  private stopped = false;

  constructor(options: PeerTransportOptions) {
    this.options = options;
    this.limits = { ...DEFAULT_PEER_LIMITS, ...options.limits };
    this.linkOptions = {
      clock: options.clock,
      random: options.random,
      queueBytesMax: this.limits.queueBytesMax,
      handlers: () => this.handlers,
      sessionOver: (link) => this.sessionOver(link),
    };
  }

  get address(): string {
    return this.listener?.address ?? '';
  }

  start(handlers: PeerHandlers, done: (error: TransportError | null) => void): void {
    assert(this.handlers === null && !this.stopped, 'a transport starts once');
    this.handlers = handlers;
    const { network, listenAddress } = this.options;
    network.listen(
      listenAddress,
      (channel) => this.accept(channel),
      (error, listener) => {
        if (this.stopped) {
          listener?.close();
          return;
        }
        this.listener = listener;
        if (error === null) this.probeLater();
        done(error);
      },
    );
  }

  setPeers(members: readonly Member[]): void {
    if (this.stopped) return;
    const kept = new Set<NodeId>();
    for (const member of members) {
      if (member.id === this.options.identity.nodeId) continue;
      kept.add(member.id);
      const link = this.links.get(member.id);
      if (link === undefined) this.addLink(member);
      else this.updateLink(link, member);
    }
    for (const [id, link] of this.links) {
      if (kept.has(id)) continue;
      link.removed = true;
      link.dialer?.stop();
      if (link.isOpen) link.end('the peer left the membership');
      else this.links.delete(id);
    }
  }

  isConnected(peer: NodeId): boolean {
    return this.links.get(peer)?.isOpen ?? false;
  }

  send(peer: NodeId, parts: readonly Uint8Array[]): boolean {
    const link = this.links.get(peer);
    return link?.send(parts) ?? false;
  }

  flush(): void {
    for (const link of this.links.values()) link.flush();
  }

  queuedBytes(peer: NodeId): number {
    return this.links.get(peer)?.queuedBytes ?? 0;
  }

  resetSession(peer: NodeId): void {
    this.links.get(peer)?.end('reset by the host');
  }

  setLinkFault(peer: NodeId, fault: LinkFault | null): void {
    assert(peer !== this.options.identity.nodeId, 'a replica has no link with itself');
    const loss = fault?.lossFraction ?? 0;
    assert(loss >= 0 && loss < 1, 'a loss is a share from 0 to below 1');
    if (fault === null) this.faults.delete(peer);
    else this.faults.set(peer, fault);
    this.links.get(peer)?.setFault(fault);
  }

  linkCounters(): LinkCounters[] {
    const rows = [...this.links.values()].map((link) => link.counters());
    return rows.sort((a, b) => a.peer - b.peer);
  }

  stop(done: () => void): void {
    this.stopped = true;
    this.cancelProbe();
    this.handlers = null;
    this.listener?.close();
    for (const link of this.links.values()) link.stop();
    for (const session of this.handshakes) {
      session.settle();
      session.channel.close();
    }
    this.handshakes.clear();
    this.links.clear();
    this.options.clock.defer(done);
  }

  /** One timer for all links; see `PeerLink.probe`. */
  private probeLater(): void {
    const { clock } = this.options;
    const at = instant(clock.now() + this.limits.idleProbeMicros);
    this.cancelProbe = clock.schedule(at, () => {
      for (const link of this.links.values()) link.probe();
      this.probeLater();
    });
  }

  /** The other end's hello: opens the session or refuses it. */
  hello(session: PeerSession, frame: Uint8Array): void {
    const hello = decodeHello(frame);
    if (hello === null) {
      this.refuse(session, 0, refusal('HELLO_MALFORMED', 'the first frame is no hello'));
      return;
    }
    if (hello.refusal !== '') {
      this.refusedThere(session, hello);
      return;
    }
    const error = judgeHello(this.options.identity, hello) ?? this.judgePeer(session, hello);
    if (error !== null) {
      this.refuse(session, hello.nodeId, error);
      return;
    }
    const link = this.links.get(hello.nodeId);
    assert(link !== undefined, 'a hello is accepted from known nodes only');
    if (link.isCut) {
      // The link is silent: neither a session nor a refusal may cross it.
      link.inbound.counters.handshakesBlocked++;
      link.heldHello = () => {
        if (session.state === 'handshake' && !this.stopped) this.hello(session, frame);
      };
      return;
    }
    if (link.disk === '') this.options.onDiskLearned?.(link.id, hello.diskId);
    link.disk = hello.diskId;
    this.handshakes.delete(session);
    session.settle();
    if (!session.dialled) this.sendHello(session, null);
    link.open(session);
  }

  /** The channel of a session is gone. */
  sessionClosed(session: PeerSession, reason: string): void {
    this.handshakes.delete(session);
    const { link, dialled, state } = session;
    if (state === 'handshake') session.state = 'over';
    if (this.stopped || link === null) return;
    if (state === 'open' || state === 'ending') link.finish(session, reason);
    else if (dialled && !link.removed && state !== 'over') link.dialer?.again();
  }

  private addLink(member: Member): void {
    const { network, clock, random, identity } = this.options;
    const own = random.split(`link ${member.id}`);
    const link = new PeerLink(member, { ...this.linkOptions, random: own });
    this.links.set(member.id, link);
    link.setFault(this.faults.get(member.id) ?? null);
    if (member.id < identity.nodeId) return;
    const options = {
      network,
      clock,
      random: own.split('redial'),
      limits: this.limits,
      blocked: () => {
        if (link.isCut) link.outbound.counters.handshakesBlocked++;
        return link.isCut;
      },
      connected: (channel: FrameChannel) => this.greet(channel, link),
    };
    link.dialer = new PeerDialer(options, member.address);
    link.dialer.start();
  }

  private updateLink(link: PeerLink, member: Member): void {
    link.removed = false;
    if (member.disk !== '' && member.disk !== link.disk) {
      if (link.disk !== '') link.end('the member has another disk now');
      link.disk = member.disk;
    }
    link.member = member;
    link.dialer?.redirect(member.address);
  }

  private accept(channel: FrameChannel): void {
    if (this.stopped || this.handshakes.size >= this.limits.handshakesMax) {
      channel.attach({ frame() {}, drained() {}, closed() {} });
      channel.close();
      return;
    }
    this.begin(channel, null);
  }

  /** The dialing end speaks first; the other answers only a hello that it accepts. */
  private greet(channel: FrameChannel, link: PeerLink): void {
    this.sendHello(this.begin(channel, link), null);
  }

  private begin(channel: FrameChannel, link: PeerLink | null): PeerSession {
    const { clock } = this.options;
    const timeout = { clock, micros: this.limits.helloTimeoutMicros };
    const session = new PeerSession(channel, link, this, timeout);
    this.handshakes.add(session);
    return session;
  }

  private sendHello(session: PeerSession, error: TransportError | null): void {
    const link = session.dialled ? session.link : null;
    const expected = link === null ? null : { node: link.id, disk: link.disk };
    session.channel.send([encodeHello(this.options.identity, expected, error)]);
    session.channel.flush();
  }

  private judgePeer(session: PeerSession, hello: Hello): TransportError | null {
    const link = this.links.get(hello.nodeId);
    if (link === undefined || link.removed || (session.dialled && link !== session.link)) {
      return refusal('UNKNOWN_NODE', `node ${hello.nodeId} is not expected here`);
    }
    if (!session.dialled && hello.nodeId > this.options.identity.nodeId) {
      return refusal('HELLO_MALFORMED', 'of two replicas the lower node id dials');
    }
    if (hello.diskId === '' || (link.disk !== '' && link.disk !== hello.diskId)) {
      const text = `node ${hello.nodeId} has disk "${hello.diskId}" instead of "${link.disk}"`;
      return refusal('FOREIGN_DISK', text);
    }
    return null;
  }

  /**
   * Refuses the other end's hello. The accepting end says so, and the dialing end, or the timeout,
   * closes. The dialing end just closes: the other one has opened its session already.
   */
  private refuse(session: PeerSession, peer: number, error: TransportError): void {
    const remote = session.channel.remote;
    if (session.dialled) {
      session.state = 'over';
      session.channel.close();
      session.link?.dialer?.againLate();
    } else {
      session.state = 'refused';
      this.sendHello(session, error);
    }
    this.handlers?.refused?.({ peer, remote, by: 'here', error });
  }

  private refusedThere(session: PeerSession, hello: Hello): void {
    const code = hello.refusal as TransportErrorCode;
    const error = new TransportError(code, hello.refusalText);
    const remote = session.channel.remote;
    const peer = session.link?.id ?? hello.nodeId;
    session.state = 'over';
    session.channel.close();
    session.link?.dialer?.againLate();
    this.handlers?.refused?.({ peer, remote, by: 'there', error });
  }

  private sessionOver(link: PeerLink): void {
    if (this.stopped) return;
    if (link.removed) this.links.delete(link.id);
    else link.dialer?.again();
  }
}

type RefusalKind = 'HELLO_MALFORMED' | 'UNKNOWN_NODE' | 'FOREIGN_DISK';

function refusal(kind: RefusalKind, text: string): TransportError {
  return new TransportError(`TRANSPORT_ERR_${kind}`, text);
}
