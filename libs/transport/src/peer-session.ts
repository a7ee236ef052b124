import { type Cancel, type Clock, instant } from '@quorate/consensus';
import type { PeerLink } from './peer-link.ts';
import type { FrameChannel, FrameHandlers } from './types.ts';

/** What a session asks of the transport that owns it. */
export interface SessionOwner {
  /** The first frame of the other end. */
  hello(session: PeerSession, frame: Uint8Array): void;
  /** The channel is gone. */
  sessionClosed(session: PeerSession, reason: string): void;
}

/**
 * One connection, from its hello to its end. `handshake`: the other end's hello is awaited;
 * `refused`: it was refused and told so; `ending`: the host has yet to be told of the end.
 */
export type SessionState = 'handshake' | 'refused' | 'open' | 'ending' | 'over';

/** Joins a channel to its link once the hello is accepted. */
export class PeerSession implements FrameHandlers {
  readonly channel: FrameChannel;
  readonly dialled: boolean;
  state: SessionState = 'handshake';
  /** Known from the start at the dialing end, from the hello on at the other. */
  link: PeerLink | null;
  private readonly owner: SessionOwner;
  private cancelTimeout: Cancel;

  constructor(
    channel: FrameChannel,
    link: PeerLink | null,
    owner: SessionOwner,
    timeout: { readonly clock: Clock; readonly micros: number },
  ) {
    this.channel = channel;
    this.link = link;
    this.dialled = link !== null;
    this.owner = owner;
    const at = instant(timeout.clock.now() + timeout.micros);
    this.cancelTimeout = timeout.clock.schedule(at, () => {
      if (this.state !== 'open') channel.close();
    });
    channel.attach(this);
  }

  /** The handshake is over, well or not. */
  settle(): void {
    this.cancelTimeout();
  }

  frame(bytes: Uint8Array): void {
    if (this.state === 'open') this.link?.receive(this, bytes);
    else if (this.state === 'handshake') this.owner.hello(this, bytes);
  }

  drained(): void {}

  closed(reason: string): void {
    this.cancelTimeout();
    this.owner.sessionClosed(this, reason);
  }
}
