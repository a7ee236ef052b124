import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster, type ReplicaSettings } from '@quorate/cluster';
import { SERVER_ENTRIES } from './index.ts';

/** The replicated protocols: every end-to-end test runs with each of them. */
export const REPLICATED_PROTOCOLS = ['raft', 'multi-paxos', 'zab'] as const;

/** A cluster of real processes in a temporary folder. */
export interface TestCluster {
  readonly cluster: Cluster;
  readonly directory: string;
  /** Stops the cluster and removes the folder. */
  remove(): Promise<void>;
}

/** Starts three processes of the built server, with the defaults of a comparison. */
export async function startTestCluster(
  protocol: string,
  settings: Partial<ReplicaSettings> = {},
): Promise<TestCluster> {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-e2e-'));
  const description = {
    clusterId: 'e2e',
    runtime: 'process',
    nodeIds: [1, 2, 3],
    settings: {
      protocol,
      variants: {},
      transport: 'grpc',
      clientTransport: 'tcp',
      sync: 'group',
      heartbeatMs: 50,
      electionTimeoutMs: [150, 300],
      detector: 'timers',
      ...settings,
    },
    directory,
    entries: {
      process: fileURLToPath(SERVER_ENTRIES.process),
      worker: fileURLToPath(SERVER_ENTRIES.worker),
    },
  } as const;
  const cluster = await Cluster.start(description);
  const remove = async (): Promise<void> => {
    await cluster.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  return { cluster, directory, remove };
}

/** What is sent; the path stands as it is: tests of percent-encoding need every byte of it. */
export interface Asked {
  readonly body?: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sends the head alone and never a body: for answers that must not wait for one. */
  readonly headOnly?: boolean;
}

/** Parsed JSON of any shape; what is not there reads as undefined. */
export type Json = ReturnType<typeof JSON.parse>;

/** An answer, its body as bytes and, where it is JSON, parsed. */
export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  readonly json: Json;
}

/** One HTTP request on a connection of its own. */
export function ask(
  address: string,
  method: string,
  path: string,
  asked: Asked = {},
): Promise<Answered> {
  const separator = address.lastIndexOf(':');
  const body = asked.body === undefined ? null : Buffer.from(asked.body);
  return new Promise((resolve, reject) => {
    const outgoing = request({
      agent: false,
      host: address.slice(0, separator),
      port: Number(address.slice(separator + 1)),
      method,
      path,
      headers: { ...(body === null ? {} : { 'content-length': body.length }), ...asked.headers },
    });
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        outgoing.destroy();
        const bytes = Buffer.concat(chunks);
        const isJson = String(incoming.headers['content-type']).startsWith('application/json');
        const json = isJson && bytes.length > 0 ? JSON.parse(bytes.toString('utf8')) : null;
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, bytes, json });
      });
    });
    if (asked.headOnly === true) outgoing.flushHeaders();
    else outgoing.end(body ?? undefined);
  });
}

/** Asks again until `wanted` holds; rejects with what was seen last after `limitMs`. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T>,
  wanted: (seen: T) => boolean,
  limitMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const seen = await look();
    if (wanted(seen)) return seen;
    if (performance.now() > deadline) throw new Error(`${what}: last seen ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

const POLL_MS = 10;
