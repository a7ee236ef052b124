import { createServer, type Server as NetServer, type Socket } from 'node:net';
import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import type { Cancel } from '@quorate/consensus';
import { networkError, TransportError } from './errors.ts';
import { GrpcFrameChannel } from './grpc-channel.ts';
import { formatAddress, parseAddress } from './node-net.ts';
import { FRAME_BYTES_MAX, type FrameLimits } from './tcp-frames.ts';
import type { FrameChannel, FrameListener, FrameNetwork } from './types.ts';

/** Settings of the gRPC body. */
export interface GrpcFrameOptions extends Partial<FrameLimits> {
  /**
   * The method's path, `/package.Service/Method`, as the published `.proto` names it; both ends
   * give the same one. It is a bidirectional stream, and each frame is one gRPC message.
   */
  readonly servicePath: string;
}

/** A ping after this silence; a stream whose ping is not answered within the timeout ends. */
const KEEPALIVE_MS = 10_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;

/**
 * Frames over gRPC: one bidirectional stream on a TCP connection of its own for each channel, with
 * identity serializers, so that any gRPC client can speak the published messages. Flow control is
 * that of HTTP/2 with the standard windows in both directions. Closing at the listening end ends
 * the TCP connection, because a stream whose reader stands still cannot be ended in its own band.
 */
export function grpcFrames(options: GrpcFrameOptions): FrameNetwork {
  return new GrpcFrameNetwork(options.servicePath, options.frameBytesMax ?? FRAME_BYTES_MAX);
}

class GrpcFrameNetwork implements FrameNetwork {
  readonly name = 'grpc';
  private readonly servicePath: string;
  private readonly frameBytesMax: number;

  constructor(servicePath: string, frameBytesMax: number) {
    this.servicePath = servicePath;
    this.frameBytesMax = frameBytesMax;
  }

  listen(
    address: string,
    accept: (channel: FrameChannel) => void,
    done: (error: TransportError | null, listener: FrameListener | null) => void,
  ): void {
    const at = parseAddress(address);
    if (at === null) {
      process.nextTick(done, invalid(address), null);
      return;
    }
    // The sockets are accepted here and handed to the gRPC server, so that each is ours to end, a
    // port in use is the plain system error, and Nagle's delay is off.
    const sockets = new Map<string, Socket>();
    const inject = this.createGrpcServer(sockets, accept);
    const server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
      const name = formatAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0);
      sockets.set(name, socket);
      socket.once('close', () => sockets.delete(name));
      socket.on('error', () => {});
      inject(socket);
    });
    const failed = (error: NodeJS.ErrnoException): void => {
      done(networkError(error.code ?? '', address, error.message), null);
    };
    server.once('error', failed);
    server.listen({ host: at.host, port: at.port }, () => {
      server.off('error', failed);
      server.on('error', () => {});
      done(null, listenerOf(server, at.host));
    });
  }

  dial(
    address: string,
    done: (error: TransportError | null, channel: FrameChannel | null) => void,
  ): Cancel {
    let over = false;
    if (parseAddress(address) === null) {
      process.nextTick(() => {
        if (!over) done(invalid(address), null);
      });
      return () => {
        over = true;
      };
    }
    const client = new Client(address, credentials.createInsecure(), this.channelOptions());
    const call = client.makeBidiStreamRequest<Buffer, Buffer>(
      this.servicePath,
      identity,
      identity,
      new Metadata(),
    );
    const failed = (error: Error): void => {
      if (over) return;
      over = true;
      client.close();
      const system = /E[A-Z]{3,}/.exec(error.message)?.[0] ?? '';
      done(networkError(system, address, error.message), null);
    };
    call.on('error', failed);
    // The server sends its headers at once: they say that the stream is there.
    call.once('metadata', () => {
      if (over) return;
      over = true;
      call.off('error', failed);
      done(null, this.dialled(client, call, address));
    });
    return () => {
      if (over) return;
      over = true;
      call.cancel();
      client.close();
    };
  }

  private dialled(
    client: Client,
    call: ClientDuplexStream<Buffer, Buffer>,
    address: string,
  ): FrameChannel {
    const end = (): void => {
      call.cancel();
      client.close();
    };
    return new GrpcFrameChannel({
      stream: call,
      remote: address,
      frameBytesMax: this.frameBytesMax,
      end,
    });
  }

  private createGrpcServer(
    sockets: ReadonlyMap<string, Socket>,
    accept: (channel: FrameChannel) => void,
  ): (socket: Socket) => void {
    const server = new Server(this.channelOptions());
    const exchange = (call: ServerDuplexStream<Buffer, Buffer>): void => {
      call.sendMetadata(new Metadata());
      const at = call.getPeer();
      const port = at.slice(at.lastIndexOf(':') + 1);
      const remote = formatAddress(at.slice(0, at.lastIndexOf(':')), Number(port));
      const end = (): void => {
        const socket = sockets.get(remote);
        if (socket === undefined) call.end();
        else socket.destroy();
      };
      const { frameBytesMax } = this;
      accept(new GrpcFrameChannel({ stream: call, remote, frameBytesMax, end }));
    };
    server.addService(serviceOf(this.servicePath), { exchange });
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    return (socket) => injector.injectConnection(socket);
  }

  private channelOptions(): ChannelOptions {
    return {
      'grpc.max_receive_message_length': this.frameBytesMax,
      'grpc.max_send_message_length': -1,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      // Each dial is a connection of its own, blind to the back-off of an earlier one.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.enable_channelz': 0,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
    };
  }
}

function identity(bytes: Buffer): Buffer {
  return bytes;
}

function serviceOf(path: string): ServiceDefinition {
  return {
    exchange: {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize: identity,
      requestDeserialize: identity,
      responseSerialize: identity,
      responseDeserialize: identity,
    },
  };
}

function listenerOf(server: NetServer, host: string): FrameListener {
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  return { address: formatAddress(host, port), close: () => void server.close() };
}

function invalid(address: string): TransportError {
  return new TransportError('TRANSPORT_ERR_ADDRESS_INVALID', `"${address}" is not host:port`);
}
