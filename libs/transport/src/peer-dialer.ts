import { type Cancel, type Clock, instant } from '@quorate/consensus';
import type { Random } from '@quorate/foundation';
import type { FrameChannel, FrameNetwork, PeerTransportLimits } from './types.ts';

/** What a dialer is made of. */
export interface PeerDialerOptions {
  readonly network: FrameNetwork;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: PeerTransportLimits;
  /** True while a cut keeps connections from being made; asked before each attempt. */
  readonly blocked: () => boolean;
  /** A connection is there; the dialer rests until `again`. */
  readonly connected: (channel: FrameChannel) => void;
}

/** Dials one peer until it answers, with a bounded, jittered back-off that doubles. */
export class PeerDialer {
  private readonly options: PeerDialerOptions;
  private address: string;
  private failures = 0;
  private cancel: Cancel | null = null;

  constructor(options: PeerDialerOptions, address: string) {
    this.options = options;
    this.address = address;
  }

  /** Dials at once, in a later turn. */
  start(): void {
    this.after(0);
  }

  /** From now on another address; an attempt under way starts anew there. */
  redirect(address: string): void {
    if (address === this.address) return;
    this.address = address;
    if (this.cancel === null) return;
    this.stop();
    this.after(0);
  }

  /** The session opened: the next back-off starts from its least. */
  succeeded(): void {
    this.failures = 0;
  }

  /** Dials again after the back-off; does nothing while it is at it already. */
  again(): void {
    if (this.cancel !== null) return;
    const { limits, random } = this.options;
    const doubled = limits.redialMinMicros * 2 ** Math.min(this.failures, 30);
    const wait = Math.min(doubled, limits.redialMaxMicros);
    this.failures++;
    this.after(random.between(Math.floor(wait / 2), wait));
  }

  /** As `again`, with the longest wait: the other end refused, and that does not mend soon. */
  againLate(): void {
    this.failures = 30;
    this.again();
  }

  /** Gives up. */
  stop(): void {
    this.cancel?.();
    this.cancel = null;
  }

  private after(waitMicros: number): void {
    const { clock } = this.options;
    this.cancel = clock.schedule(instant(clock.now() + waitMicros), () => {
      this.cancel = null;
      this.attempt();
    });
  }

  private attempt(): void {
    const { network, clock, limits, blocked, connected } = this.options;
    if (blocked()) {
      this.again();
      return;
    }
    const giveUp = network.dial(this.address, (error, channel) => {
      cancelTimeout();
      this.cancel = null;
      if (error !== null || channel === null) this.again();
      else connected(channel);
    });
    // A host that swallows packets answers nothing; the dialer must not wait for ever.
    const cancelTimeout = clock.schedule(instant(clock.now() + limits.helloTimeoutMicros), () => {
      giveUp();
      this.cancel = null;
      this.again();
    });
    this.cancel = () => {
      giveUp();
      cancelTimeout();
    };
  }
}
