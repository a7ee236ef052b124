import { type Cancel, type Clock, instant } from '@quorate/consensus';
import { assert, MalformedBytes } from '@quorate/foundation';
import type { FrameChannel, FrameHandlers } from '@quorate/transport';
import { FrameBuilder } from './frame-builder.ts';
import type { Operation } from './operation.ts';
import {
  type Answer,
  addCommandRequest,
  addReadRequest,
  addStatusRequest,
  readAnswers,
} from './wire.ts';

/** A watch that fires later than this share of the silence says that this process stood still. */
const STALL_SHARE = 4;

/** What a connection tells the client. */
export interface ConnectionOwner {
  /** The answer of an operation that was sent here; the object is reused. */
  answered(connection: ClientConnection, operation: Operation, answer: Answer): void;
  /** A frame of answers was worked through. */
  settled(): void;
  /** The end; `operations` were sent and have no answer, oldest first. */
  closed(connection: ClientConnection, operations: readonly Operation[]): void;
}

/** One connection to one replica with its requests in flight. */
export class ClientConnection implements FrameHandlers {
  readonly address: string;
  framesSent = 0;
  /** True once the replica answered anything. */
  heard = false;
  private readonly channel: FrameChannel;
  private readonly clock: Clock;
  private readonly owner: ConnectionOwner;
  private readonly frameBytesMax: number;
  private readonly silenceMicros: number;
  private readonly inFlight = new Map<number, Operation>();
  private readonly requests = new FrameBuilder();
  private readonly take = (answer: Answer): void => this.answer(answer);
  private lastId = 0;
  /** Since when requests wait and nothing was heard; 0 when nothing is owed. */
  private silentSince = 0;
  private cancelWatch: Cancel | null = null;

  constructor(
    address: string,
    channel: FrameChannel,
    owner: ConnectionOwner,
    settings: {
      readonly clock: Clock;
      readonly frameBytesMax: number;
      readonly silenceMicros: number;
    },
  ) {
    this.address = address;
    this.channel = channel;
    this.owner = owner;
    this.clock = settings.clock;
    this.frameBytesMax = settings.frameBytesMax;
    this.silenceMicros = settings.silenceMicros;
    channel.attach(this);
  }

  get requestsInFlight(): number {
    return this.inFlight.size;
  }

  /** Adds an operation to the frame that the next `flush` sends. */
  send(operation: Operation, now: number): void {
    const id = ++this.lastId;
    operation.state = 'sent';
    operation.attempts++;
    operation.connection = this;
    operation.requestId = id;
    this.inFlight.set(id, operation);
    // A deadline that passed a moment ago still sends a request; the wheel ends it in time.
    const timeout = Math.max(1, Math.floor(operation.deadline - now));
    if (operation.kind === 'get') {
      addReadRequest(this.requests, id, operation.key, operation.level, timeout);
    } else if (operation.kind === 'status') {
      addStatusRequest(this.requests, id);
    } else {
      assert(operation.prepared, 'a write is prepared before it is sent');
      const { kind, key, value, condition, request } = operation;
      const command = { operation: kind, key, value, condition, request };
      addCommandRequest(this.requests, id, command, timeout);
    }
    if (this.requests.length >= this.frameBytesMax) this.sendFrame();
    if (this.silentSince === 0) this.silentSince = now;
  }

  flush(): void {
    this.sendFrame();
    this.channel.flush();
    this.watch();
  }

  /** The operation ended by itself; a late answer is ignored. */
  forget(operation: Operation): void {
    this.inFlight.delete(operation.requestId);
  }

  close(): void {
    this.channel.close();
  }

  frame(bytes: Uint8Array): void {
    // Whoever answers is alive: the silence, if any, starts anew for what is still owed.
    this.silentSince = 0;
    this.heard = true;
    try {
      readAnswers(bytes, this.take);
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      this.channel.close();
    }
    if (this.inFlight.size > 0) this.silentSince = this.clock.now();
    this.owner.settled();
  }

  drained(): void {}

  closed(): void {
    this.cancelWatch?.();
    const operations = [...this.inFlight.values()];
    this.inFlight.clear();
    this.owner.closed(this, operations);
  }

  private answer(answer: Answer): void {
    const operation = this.inFlight.get(answer.id);
    if (operation === undefined) return;
    this.inFlight.delete(answer.id);
    this.owner.answered(this, operation, answer);
  }

  private sendFrame(): void {
    if (this.requests.length === 0) return;
    this.channel.send([this.requests.take()]);
    this.framesSent++;
  }

  /** One timer a connection, moved on when it fires and not on each answer. */
  private watch(): void {
    if (this.cancelWatch !== null || this.silentSince === 0) return;
    const at = instant(this.silentSince + this.silenceMicros);
    this.cancelWatch = this.clock.schedule(at, () => {
      this.cancelWatch = null;
      if (this.silentSince === 0) return;
      const now = this.clock.now();
      if (now - at > this.silenceMicros / STALL_SHARE) {
        // This process stood still and may not have read what was answered: the watch starts anew.
        this.silentSince = now;
      } else if (now - this.silentSince >= this.silenceMicros) {
        this.clock.defer(() => this.giveUp());
        return;
      }
      this.watch();
    });
  }

  /** Sockets were read since the watch fired; without an answer still, the replica is silent. */
  private giveUp(): void {
    const silent = this.clock.now() - this.silentSince >= this.silenceMicros;
    if (this.silentSince !== 0 && silent) this.channel.close();
    else this.watch();
  }
}
