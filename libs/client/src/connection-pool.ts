import { type Cancel, type Clock, instant } from '@quorate/consensus';
import type { FrameNetwork } from '@quorate/transport';
import { ClientConnection, type ConnectionOwner } from './client-connection.ts';
import type { Operation } from './operation.ts';
import type { ClientLimits } from './types.ts';
import type { Answer } from './wire.ts';

/** What a pool is made of. */
export interface ConnectionPoolOptions {
  readonly network: FrameNetwork;
  readonly clock: Clock;
  readonly limits: ClientLimits;
  readonly owner: ConnectionOwner;
  /** The dial went well. */
  readonly opened: () => void;
  /** The dial failed or took too long. */
  readonly failed: () => void;
}

/** The connections of a client, at most one per address, and at most one dial under way. */
export class ConnectionPool implements ConnectionOwner {
  private readonly options: ConnectionPoolOptions;
  private readonly connections = new Map<string, ClientConnection>();
  private dialling: string | null = null;
  private giveUp: Cancel | null = null;
  private framesOfClosed = 0;

  constructor(options: ConnectionPoolOptions) {
    this.options = options;
  }

  get framesSent(): number {
    let frames = this.framesOfClosed;
    for (const connection of this.connections.values()) frames += connection.framesSent;
    return frames;
  }

  /** The open connection to `address`, or null. */
  get(address: string): ClientConnection | null {
    return this.connections.get(address) ?? null;
  }

  /** Dials unless that dial is under way; one to another address is given up. */
  dial(address: string): void {
    if (this.dialling === address) return;
    this.giveUp?.();
    this.dialling = address;
    const { network, clock, limits, opened, failed } = this.options;
    const cancelDial = network.dial(address, (error, channel) => {
      cancelTimeout();
      this.dialled();
      if (error !== null || channel === null) {
        failed();
        return;
      }
      this.connections.set(
        address,
        new ClientConnection(address, channel, this, { ...limits, clock }),
      );
      opened();
    });
    const timeout = instant(clock.now() + limits.dialTimeoutMicros);
    const cancelTimeout = clock.schedule(timeout, () => {
      cancelDial();
      this.dialled();
      failed();
    });
    this.giveUp = () => {
      cancelDial();
      cancelTimeout();
      this.dialled();
    };
  }

  /** Ends the dial and all connections. */
  stop(): void {
    this.giveUp?.();
    for (const connection of this.connections.values()) connection.close();
  }

  answered(connection: ClientConnection, operation: Operation, answer: Answer): void {
    this.options.owner.answered(connection, operation, answer);
  }

  settled(): void {
    this.options.owner.settled();
  }

  closed(connection: ClientConnection, operations: readonly Operation[]): void {
    this.framesOfClosed += connection.framesSent;
    this.connections.delete(connection.address);
    this.options.owner.closed(connection, operations);
  }

  private dialled(): void {
    this.dialling = null;
    this.giveUp = null;
  }
}
