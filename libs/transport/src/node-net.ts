import { connect, createServer, type Server, type Socket } from 'node:net';
import {
  type Cancel,
  type Connection,
  type ConnectionHandlers,
  type Listener,
  type Net,
  NetError,
} from '@quorate/consensus';
import { required } from '@quorate/foundation';

/** A dead network path is noticed by the operating system's probes after this silence. */
const KEEP_ALIVE_DELAY_MS = 10_000;
const PORT_MAX = 65_535;

/** A host and a port, as `host:port` names them; an IPv6 host stands in brackets. */
export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** Splits `host:port`; null when it is not of that form or the port is not 0 to 65535. */
export function parseAddress(address: string): HostAndPort | null {
  const colon = address.lastIndexOf(':');
  if (colon <= 0) return null;
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  const digits = address.slice(colon + 1);
  const port = Number(digits);
  if (host === '' || !/^\d{1,5}$/.test(digits) || port > PORT_MAX) return null;
  return { host, port };
}

/** Joins what {@link parseAddress} splits. */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The `Net` of a Node process: TCP without Nagle's delay, since callers gather by themselves. */
export function nodeNet(): Net {
  return { listen, dial };
}

function listen(
  address: string,
  accept: (connection: Connection) => void,
  done: (error: NetError | null, listener: Listener | null) => void,
): void {
  const at = parseAddress(address);
  if (at === null) {
    process.nextTick(done, new NetError('EINVAL', `"${address}" is not host:port`), null);
    return;
  }
  const server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
    accept(new NodeConnection(socket));
  });
  const failed = (error: NodeJS.ErrnoException): void => done(netError(error), null);
  server.once('error', failed);
  server.listen({ host: at.host, port: at.port }, () => {
    server.off('error', failed);
    // Failing to accept one connection (too many open files) must not end the listener.
    server.on('error', () => {});
    done(null, new NodeListener(server, at.host));
  });
}

function dial(
  address: string,
  done: (error: NetError | null, connection: Connection | null) => void,
): Cancel {
  const at = parseAddress(address);
  let over = false;
  if (at === null) {
    process.nextTick(() => {
      if (!over) done(new NetError('EINVAL', `"${address}" is not host:port`), null);
    });
    return () => {
      over = true;
    };
  }
  const socket = connect({
    host: at.host,
    port: at.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
  });
  const failed = (error: NodeJS.ErrnoException): void => {
    if (over) return;
    over = true;
    done(netError(error), null);
  };
  socket.on('error', failed);
  socket.once('connect', () => {
    if (over) return;
    over = true;
    socket.off('error', failed);
    done(null, new NodeConnection(socket));
  });
  return () => {
    if (over) return;
    over = true;
    socket.destroy();
  };
}

function netError(error: NodeJS.ErrnoException): NetError {
  return new NetError(error.code ?? 'EUNKNOWN', error.message || String(error.code));
}

class NodeListener implements Listener {
  readonly address: string;
  private readonly server: Server;

  constructor(server: Server, host: string) {
    this.server = server;
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    this.address = formatAddress(host, port);
  }

  close(): void {
    this.server.close();
  }
}

class NodeConnection implements Connection {
  readonly remote: string;
  private readonly socket: Socket;
  private handlers: ConnectionHandlers | null = null;
  private reason = 'closed by the peer';
  private readonly written = (): void => {
    if (this.socket.writableLength === 0 && !this.socket.destroyed) this.handlers?.drained();
  };

  constructor(socket: Socket) {
    this.socket = socket;
    this.remote = formatAddress(socket.remoteAddress ?? '?', socket.remotePort ?? 0);
    socket.on('error', (error) => {
      this.reason = error.message;
    });
  }

  get queuedBytes(): number {
    return this.socket.writableLength;
  }

  attach(handlers: ConnectionHandlers): void {
    this.handlers = handlers;
    // A plain view: each of the many views that are taken of it would cost a Buffer's subclassing.
    this.socket.on('data', (bytes: Buffer) => {
      handlers.data(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
    });
    this.socket.once('close', () => handlers.closed(this.reason));
  }

  write(parts: readonly Uint8Array[]): boolean {
    if (this.socket.destroyed || parts.length === 0) return false;
    const last = parts.length - 1;
    if (last === 0) return this.socket.write(required(parts[0], 'one part'), this.written);
    this.socket.cork();
    for (let i = 0; i < last; i++) this.socket.write(required(parts[i], 'a part'));
    const below = this.socket.write(required(parts[last], 'the last part'), this.written);
    this.socket.uncork();
    return below;
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  close(): void {
    if (this.socket.destroyed) return;
    this.reason = 'closed here';
    this.socket.destroy();
  }
}
