import { randomUUID } from 'node:crypto';
import { CLIENT_SERVICE_PATH, type ClientServer, serveClients } from '@quorate/client';
import { nodeId } from '@quorate/consensus';
import { createRandom, required } from '@quorate/foundation';
import { KvStateMachine } from '@quorate/kv';
import { nodeClock, openReplica, type Replica } from '@quorate/replica';
import { nodeDigest, openSnapshotStore } from '@quorate/snapshot-store';
import {
  createPeerTransport,
  type FrameNetwork,
  grpcFrames,
  messagePortFrames,
  nodeNet,
  type PeerTransport,
  tcpFrames,
} from '@quorate/transport';
import {
  type DataDirectory,
  nodeRecordCodec,
  openDataDirectory,
  openNodeDisk,
  openWal,
} from '@quorate/wal';
import { engineConfig } from './engine-settings.ts';
import { ServerError } from './errors.ts';
import { type HttpEdge, openHttpEdge } from './http/http-server.ts';
import { LocalService } from './local-service.ts';
import { MemberBook } from './member-book.ts';
import { renderMetrics } from './metrics.ts';
import { PeerDisks } from './peer-disks.ts';
import { ReplicaService } from './replica-service.ts';
import type { MemberAddress, ServerOptions } from './server-options.ts';
import { statusView } from './status-view.ts';

/** A running replica of the key-value service. */
export interface RunningServer {
  readonly addresses: { readonly http: string; readonly peer: string; readonly client: string };
  readonly replica: Replica;
  readonly transport: PeerTransport | null;
  readonly stateMachine: KvStateMachine;
  /** Learns where the members listen and dials them. */
  setMembers(members: readonly MemberAddress[]): void;
  /** Stops with grace: answers what is open, closes ports, log and lock. */
  stop(): Promise<void>;
}

const WAL_DIRECTORY = 'wal';
const SNAPSHOT_DIRECTORY = 'snapshots';

/**
 * Starts one replica: data directory, log, snapshots, engine, peer sessions, client port, HTTP.
 * When a step fails, what was opened before is closed again and the error tells which one it was.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const closers: (() => Promise<void> | void)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    return await open(options, closers, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function open(
  options: ServerOptions,
  closers: (() => Promise<void> | void)[],
  closeAll: () => Promise<void>,
): Promise<RunningServer> {
  const { settings } = options;
  const directory = await openDirectory(options);
  closers.push(() => new Promise<void>((resolve) => directory.release(resolve)));
  if (directory.storage.kind === 'memory' && isDurable(settings.sync)) {
    const message =
      `${directory.root} lies on ${directory.storage.fileSystem}, where a sync means nothing: ` +
      `sync "${settings.sync}" is refused there; take "none" or "memory", or another directory`;
    throw new ServerError('SERVER_ERR_SYNC_LABEL', message);
  }
  const disks = new PeerDisks(directory.root);
  const book = new MemberBook(options.members, disks);
  const stateMachine = new KvStateMachine();
  const transport = options.members.length > 1 ? peerTransport(options, directory, disks) : null;
  const replica = await openHost(options, directory, transport, stateMachine, book);
  const stopReplica = once(() => new Promise((resolve) => replica.stop(() => resolve())));
  closers.push(stopReplica);
  directory.markInitialized();

  const view = (): ReturnType<typeof statusView> => statusView(options, replica, book);
  const limits = {
    keyBytesMax: settings.keyBytesMax ?? 4096,
    valueBytesMax: settings.valueBytesMax ?? 1536 * 1024,
  };
  const stream = new ReplicaService({
    replica,
    stateMachine,
    directory: book,
    limits,
    statusJson: () => JSON.stringify(view()),
  });
  const clientPort = await openClientPort(options, stream);
  closers.push(() => clientPort.stop());
  const service = new LocalService({
    id: options.id,
    replica,
    stream,
    limits,
    httpAddress: (id) => book.httpAddress(id),
    status: view,
    metrics: () => renderMetrics(replica, stateMachine),
  });
  const http: HttpEdge = await openHttp(options, service, limits);
  closers.push(() => http.close());
  const addresses = {
    http: http.address,
    peer: transport?.address ?? options.listen.peer,
    client: clientPort.address,
  };
  book.learn([{ id: options.id, ...addresses }]);
  return {
    addresses,
    replica,
    transport,
    stateMachine,
    setMembers: (members) => {
      book.learn(members);
      transport?.setPeers(book.peers());
    },
    // The replica first, with its ports still open: what is asked meanwhile gets `shutting_down`.
    stop: once(() => stopReplica().then(closeAll)),
  };
}

/** Runs `start` on the first call; later calls wait for the same end. */
function once(start: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  return () => {
    running ??= start();
    return running;
  };
}

function isDurable(sync: string): boolean {
  return sync === 'group' || sync === 'each' || sync === 'periodic';
}

function openDirectory(options: ServerOptions): Promise<DataDirectory> {
  const { dataDirectory: root, clusterId, id, protocol, bootstrap } = options;
  return new Promise((resolve, reject) => {
    const wanted = { root, clusterId, nodeId: nodeId(id), protocol: protocol.name };
    openDataDirectory(bootstrap ? { ...wanted, bootstrap } : wanted, (error, directory) => {
      if (error === null) resolve(required(directory, 'no error, so there is a directory'));
      else reject(error);
    });
  });
}

function peerTransport(
  options: ServerOptions,
  directory: DataDirectory,
  disks: PeerDisks,
): PeerTransport {
  return createPeerTransport({
    network: peerNetwork(options),
    listenAddress: options.listen.peer,
    identity: directory.identity,
    clock: nodeClock(),
    random: createRandom(`${randomUUID()}/transport`),
    onDiskLearned: (peer, diskId) => disks.learn(peer, diskId),
  });
}

function peerNetwork(options: ServerOptions): FrameNetwork {
  if (options.settings.transport === 'tcp') return tcpFrames(nodeNet());
  if (options.settings.transport === 'grpc') {
    const name = options.protocol.name.replaceAll('-', '_');
    return grpcFrames({ servicePath: `/quorate.${name}.v1.Peer/Exchange` });
  }
  const broker = required(options.broker, 'the transport message-port runs in worker threads only');
  return messagePortFrames(broker);
}

/** Opens log, snapshots and engine, and starts the host loop. */
function openHost(
  options: ServerOptions,
  directory: DataDirectory,
  transport: PeerTransport | null,
  stateMachine: KvStateMachine,
  book: MemberBook,
): Promise<Replica> {
  const { settings, protocol } = options;
  const disk = openNodeDisk(directory.root);
  const clock = nodeClock();
  const records = nodeRecordCodec();
  const { segmentBytes, sync, snapshotEveryEntries } = settings;
  const offsetMicros = Number(process.hrtime.bigint() / 1000n) - clock.now();
  return new Promise((resolve, reject) => {
    openWal(
      {
        ...{ disk, directory: WAL_DIRECTORY, identity: directory.identity, records, clock, sync },
        create: directory.fresh,
        ...(segmentBytes === undefined ? {} : { segmentBytes }),
      },
      (walError, wal) => {
        if (walError !== null) return reject(walError);
        const opened = required(wal, 'no error, so the log is open');
        options.log('info', opened.recovery.summary);
        openReplica(
          {
            ...{ protocol, config: engineConfig(options), clock, records, transport, stateMachine },
            random: createRandom(`${randomUUID()}/engine`),
            wal: opened,
            openSnapshots: (named, done) =>
              openSnapshotStore(
                { disk, directory: SNAPSHOT_DIRECTORY, clock, createDigest: nodeDigest, named },
                done,
              ),
            limits: hostLimits(settings),
            snapshots: snapshotEveryEntries === undefined ? {} : { snapshotEveryEntries },
            resolveMember: (member) => book.resolve(member),
            handlers: {
              engineEvent: (event, at) => options.onEvent?.(event, at + offsetMicros),
              peerRefused: ({ peer, by, error }) =>
                options.log('warn', `session with ${peer} refused ${by}: ${error.message}`),
              fatal: (error) => options.onFatal?.(error.code, error.message),
            },
          },
          (error, replica) => {
            if (error === null) resolve(required(replica, 'no error, so there is a replica'));
            else reject(asStartError(error, options.listen.peer));
          },
        );
      },
    );
  });
}

function hostLimits(settings: ServerOptions['settings']) {
  const { batchCommandsMax, batchBytesMax, inFlightBatchesMax, proposalsQueuedMax } = settings;
  return {
    ...(batchCommandsMax === undefined ? {} : { commandsMax: batchCommandsMax }),
    ...(batchBytesMax === undefined ? {} : { batchBytesMax }),
    ...(inFlightBatchesMax === undefined ? {} : { inFlightBatchesMax }),
    ...(proposalsQueuedMax === undefined ? {} : { proposalsQueuedMax }),
  };
}

function openClientPort(options: ServerOptions, service: ReplicaService): Promise<ClientServer> {
  const network =
    options.settings.clientTransport === 'grpc'
      ? grpcFrames({ servicePath: CLIENT_SERVICE_PATH })
      : tcpFrames(nodeNet());
  const address = options.listen.client;
  return new Promise((resolve, reject) => {
    serveClients({ network, address, service, clock: nodeClock() }, (error, server) => {
      if (error === null) resolve(required(server, 'no error, so there is a server'));
      else reject(asStartError(error, address));
    });
  });
}

async function openHttp(
  options: ServerOptions,
  service: LocalService,
  limits: { readonly keyBytesMax: number; readonly valueBytesMax: number },
): Promise<HttpEdge> {
  const { requestTimeoutMs } = options.settings;
  try {
    return await openHttpEdge(options.listen.http, { service, ...limits, requestTimeoutMs });
  } catch (error) {
    throw asStartError(error as Error & { code?: string }, options.listen.http);
  }
}

function asStartError(error: Error & { code?: string }, address: string): Error {
  if (error.code === 'EADDRINUSE' || error.code === 'TRANSPORT_ERR_ADDRESS_IN_USE') {
    return new ServerError(
      'SERVER_ERR_ADDRESS_IN_USE',
      `${address}: another process listens there`,
    );
  }
  return error;
}
