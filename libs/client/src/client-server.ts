import type { Clock, ReadLevel } from '@quorate/consensus';
import { MalformedBytes } from '@quorate/foundation';
import type { FrameChannel, FrameHandlers, FrameListener } from '@quorate/transport';
import { FrameBuilder } from './frame-builder.ts';
import type { ClientService, ServiceError } from './service.ts';
import type {
  ClientServer,
  ClientServerLimits,
  ServeClientsDone,
  ServeClientsOptions,
} from './types.ts';
import {
  addErrorAnswer,
  addReadAnswer,
  addStatusAnswer,
  addWriteAnswer,
  type RequestSink,
  readRequests,
} from './wire.ts';

/** The limits of a client port unless stated. */
export const DEFAULT_CLIENT_SERVER_LIMITS: ClientServerLimits = {
  requestsInFlightMax: 16_384,
  answerBytesMax: 16 * 1024 * 1024,
  connectionsMax: 1024,
};

/** Answers beyond this many bytes start another frame. */
const ANSWER_FRAME_BYTES_MAX = 1024 * 1024;
/** A paused channel may still deliver; requests beyond this multiple of the limit are refused. */
const REFUSED_FACTOR = 2;

/** Opens a client port: reads requests, asks the service, sends each turn's answers together. */
export function serveClients(options: ServeClientsOptions, done: ServeClientsDone): void {
  const server = new StreamServer(options);
  options.network.listen(
    options.address,
    (channel) => server.accept(channel),
    (error, listener) => {
      if (listener === null) {
        done(error, null);
        return;
      }
      server.listener = listener;
      done(null, server);
    },
  );
}

class StreamServer implements ClientServer {
  listener: FrameListener | null = null;
  requestsInFlight = 0;
  readonly limits: ClientServerLimits;
  readonly service: ClientService;
  paused = false;
  private readonly clock: Clock;
  private readonly open = new Set<ServedConnection>();
  private unflushed: ServedConnection[] = [];

  constructor(options: ServeClientsOptions) {
    this.service = options.service;
    this.clock = options.clock;
    this.limits = { ...DEFAULT_CLIENT_SERVER_LIMITS, ...options.limits };
  }

  get address(): string {
    return this.listener?.address ?? '';
  }

  get connections(): number {
    return this.open.size;
  }

  accept(channel: FrameChannel): void {
    const connection = new ServedConnection(channel, this);
    channel.attach(connection);
    if (this.open.size >= this.limits.connectionsMax) {
      channel.close();
      return;
    }
    this.open.add(connection);
    connection.steer();
  }

  pause(): void {
    this.paused = true;
    for (const connection of this.open) connection.steer();
  }

  resume(): void {
    this.paused = false;
    for (const connection of this.open) connection.steer();
  }

  stop(): void {
    this.listener?.close();
    for (const connection of this.open) connection.channel.close();
  }

  /** Answers of one turn leave together, at its end. */
  flushLater(connection: ServedConnection): void {
    this.unflushed.push(connection);
    if (this.unflushed.length > 1) return;
    if (this.service.atTurnEnd === undefined) this.clock.defer(this.flush);
    else this.service.atTurnEnd(this.flush);
  }

  forget(connection: ServedConnection): void {
    this.open.delete(connection);
  }

  private readonly flush = (): void => {
    const connections = this.unflushed;
    this.unflushed = [];
    for (const connection of connections) connection.flush();
  };
}

class ServedConnection implements FrameHandlers, RequestSink {
  readonly channel: FrameChannel;
  private readonly server: StreamServer;
  private readonly answers = new FrameBuilder();
  private inFlight = 0;
  private waitsForFlush = false;
  private reading = true;
  private open = true;

  constructor(channel: FrameChannel, server: StreamServer) {
    this.channel = channel;
    this.server = server;
  }

  frame(bytes: Uint8Array): void {
    try {
      readRequests(bytes, this);
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      // What follows on this stream cannot be trusted; the other end is not a client.
      this.channel.close();
      return;
    }
    this.steer();
  }

  drained(): void {
    this.steer();
  }

  closed(): void {
    this.open = false;
    this.server.forget(this);
  }

  write(id: number, command: Uint8Array, timeoutMicros: number): void {
    if (this.refused(id)) return;
    this.server.service.write(command, timeoutMicros, (error, result) => {
      if (!this.answerable()) return;
      if (error === null) addWriteAnswer(this.answers, id, result);
      else addErrorAnswer(this.answers, id, error);
      this.answered();
    });
  }

  read(id: number, key: Uint8Array, level: ReadLevel, timeoutMicros: number): void {
    if (this.refused(id)) return;
    this.server.service.read(key, level, timeoutMicros, (error, answer) => {
      if (!this.answerable()) return;
      if (error === null) addReadAnswer(this.answers, id, answer);
      else addErrorAnswer(this.answers, id, error);
      this.answered();
    });
  }

  status(id: number): void {
    if (this.refused(id)) return;
    this.server.service.status((error, json) => {
      if (!this.answerable()) return;
      if (error === null) addStatusAnswer(this.answers, id, json);
      else addErrorAnswer(this.answers, id, error);
      this.answered();
    });
  }

  /** Reads the socket or not, as the limits and the host have it. */
  steer(): void {
    const { requestsInFlightMax, answerBytesMax } = this.server.limits;
    const requestsMax = this.reading ? requestsInFlightMax : requestsInFlightMax / 2;
    const full = this.inFlight >= requestsMax || this.channel.queuedBytes > answerBytesMax;
    const read = !full && !this.server.paused;
    if (read === this.reading || !this.open) return;
    this.reading = read;
    if (read) this.channel.resume();
    else this.channel.pause();
  }

  /** Sends what the turn answered. */
  flush(): void {
    this.waitsForFlush = false;
    if (!this.open) return;
    if (this.answers.length > 0) this.channel.send([this.answers.take()]);
    this.channel.flush();
    this.steer();
  }

  /** Counts a request in, or refuses it when far too many are there already. */
  private refused(id: number): boolean {
    if (this.inFlight < this.server.limits.requestsInFlightMax * REFUSED_FACTOR) {
      this.inFlight++;
      this.server.requestsInFlight++;
      return false;
    }
    addErrorAnswer(this.answers, id, TOO_MANY);
    this.answered();
    return true;
  }

  /** Counts a request out; false when nobody waits for the answer any more. */
  private answerable(): boolean {
    this.inFlight--;
    this.server.requestsInFlight--;
    return this.open;
  }

  private answered(): void {
    if (this.answers.length >= ANSWER_FRAME_BYTES_MAX) this.channel.send([this.answers.take()]);
    if (this.waitsForFlush) return;
    this.waitsForFlush = true;
    this.server.flushLater(this);
  }
}

const TOO_MANY: ServiceError = {
  code: 'overloaded',
  outcome: 'none',
  message: 'too many requests in flight on this connection',
  leader: null,
};
