import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type Answered,
  ask,
  eventually,
  REPLICATED_PROTOCOLS,
  startTestCluster,
  type TestCluster,
} from './cluster-fixture.ts';
import { SERVER_ENTRIES } from './index.ts';

/** One command at a time and two that wait: a queue that a test can fill by hand. */
const TINY_QUEUE = {
  batchCommandsMax: 1,
  inFlightBatchesMax: 1,
  proposalsQueuedMax: 2,
  // Long enough that a leader cut off from its followers stays one during the test.
  electionTimeoutMs: [1_500, 2_000],
} as const;

const error = (answer: Answered): unknown => {
  const { code, outcome } = answer.json?.error ?? {};
  return { status: answer.status, code, outcome };
};
const OVERLOADED = { status: 429, code: 'overloaded', outcome: 'none' };
const LATE = { status: 504, code: 'deadline_exceeded', outcome: 'unknown' };
const SHUTTING_DOWN = { status: 503, code: 'shutting_down', outcome: 'none' };
const NO_LEADER = { status: 503, code: 'no_leader', outcome: 'none' };

describe.each(REPLICATED_PROTOCOLS)('under pressure, %s', (protocol) => {
  let test: TestCluster | null = null;
  afterEach(() => test?.remove());

  const start = async (): Promise<{ leader: number; others: number[]; http: string }> => {
    test = await startTestCluster(protocol, TINY_QUEUE);
    const { id } = await test.cluster.awaitLeader(30_000);
    const { http } = test.cluster.members.find((member) => member.id === id)!;
    return { leader: id, others: [1, 2, 3].filter((other) => other !== id), http };
  };
  const pauseAll = (ids: number[]): Promise<unknown> =>
    Promise.all(ids.map((id) => test!.cluster.pause(id, 60_000_000)));

  it('refuses what does not fit (429) and does not know of what is late (504)', async () => {
    const { others, http } = await start();
    await pauseAll(others);
    const keys = Array.from({ length: 8 }, (_, i) => `/api/kv/late-${i}`);
    const answers = await Promise.all(await occupy(http, keys, '?timeout=1s'));
    const errors = answers.map(error);
    expect(errors.filter((seen) => JSON.stringify(seen) === JSON.stringify(LATE))).toHaveLength(3);
    const refused = keys.filter((_, i) => answers[i]?.status === 429);
    expect(refused).toHaveLength(5);
    for (const seen of answers) {
      expect([OVERLOADED, LATE]).toContainEqual(error(seen));
      expect(seen.headers['retry-after']).toBe(seen.status === 429 ? '1' : undefined);
    }
    for (const id of others) await test!.cluster.resume(id);
    await eventually(
      'writes go through again',
      () => ask(http, 'PUT', '/api/kv/after', { body: 'x' }),
      (answer) => answer.status === 200,
    );
    // Outcome "none" is a promise: what was refused never takes effect.
    for (const key of refused) expect((await ask(http, 'GET', key)).status).toBe(404);
  });

  it('answers what waits while it stops, and knows no leader without a majority', async () => {
    const { leader, others, http } = await start();
    await pauseAll(others);
    const waiting = await occupy(http, ['/api/kv/s-1', '/api/kv/s-2', '/api/kv/s-3'], '');
    await untilMetric(http, 'proposals_queued 2');
    process.kill(test!.cluster.pid(leader), 'SIGTERM');
    const answers = (await Promise.all(waiting)).map(error);
    expect(answers.filter((seen) => JSON.stringify(seen) === JSON.stringify(LATE))).toHaveLength(1);
    expect(answers.filter((seen) => (seen as { status: number }).status === 503)).toEqual([
      SHUTTING_DOWN,
      SHUTTING_DOWN,
    ]);

    const survivor = others[0]!;
    await test!.cluster.kill(others[1]!);
    await test!.cluster.resume(survivor);
    const alone = test!.cluster.members.find((member) => member.id === survivor)!.http;
    const put = () => ask(alone, 'PUT', '/api/kv/x?timeout=500ms', { body: 'x' });
    const refused = await eventually(
      'the survivor notices',
      put,
      (seen) => seen.json?.error?.message === 'no leader is known',
    );
    expect(error(refused)).toEqual(NO_LEADER);
    expect(refused.headers['retry-after']).toBe('1');
    expect((await ask(alone, 'GET', '/readyz')).status).toBe(503);
    expect((await ask(alone, 'GET', '/healthz')).status).toBe(200);
  });
});

const untilMetric = (http: string, line: string): Promise<string> =>
  eventually(
    line,
    async () => (await ask(http, 'GET', '/metrics')).bytes.toString(),
    (text) => text.includes(`\nquorate_${line}\n`),
  );

/** Puts the first key alone, so that it is in flight, then all others, of which two may wait. */
async function occupy(http: string, keys: string[], query: string): Promise<Promise<Answered>[]> {
  const put = (key: string): Promise<Answered> => ask(http, 'PUT', key + query, { body: 'x' });
  const [first = '', ...others] = keys;
  const answers = [put(first)];
  await untilMetric(http, 'batches_in_flight 1');
  return [...answers, ...others.map(put)];
}

const canMount = spawnSync('unshare', ['-rm', 'true']).status === 0;

describe('a full disk', () => {
  // Without user namespaces there is no disk of a few megabytes to be had.
  it.skipIf(!canMount)('refuses writes (503 no_space) and still reads', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'quorate-full-'));
    const file = join(directory, 'cluster.yaml');
    const any = '127.0.0.1:0';
    const members = [{ id: 1, http: any, peer: any, client: any }];
    const settings = { segmentBytes: 2 * 1024 * 1024, sync: 'none' };
    writeFileSync(file, JSON.stringify({ clusterId: 'full', members, ...settings }));
    mkdirSync(join(directory, 'disk'));
    const script =
      'mount -t tmpfs -o size=16m,mode=700 tmpfs "$1" && shift && exec "$@" # a small disk';
    const server = [process.execPath, fileURLToPath(SERVER_ENTRIES.process), '--id', '1'];
    const data = join(directory, 'disk', 'data');
    const flags = ['--protocol', 'raft', '--cluster', file, '--data-dir', data];
    const child = spawn(
      'unshare',
      ['-rm', 'sh', '-c', script, 'sh', join(directory, 'disk'), ...server, ...flags],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const ended = new Promise((resolve) => child.once('exit', resolve));
    try {
      const { http } = await new Promise<{ http: string }>((resolve, reject) => {
        createInterface({ input: child.stdout }).once('line', (text) => resolve(JSON.parse(text)));
        child.once('exit', (code) => reject(new Error(`ended with ${code}`)));
      });
      await eventually(
        'a leader',
        () => ask(http, 'GET', '/readyz'),
        (answer) => answer.status === 200,
      );
      const body = Buffer.alloc(1024 * 1024, 1);
      const seen: Answered[] = [];
      while (seen.length < 40 && seen.at(-1)?.status !== 503) {
        seen.push(await ask(http, 'PUT', `/api/kv/big-${seen.length}`, { body }));
      }
      expect(error(seen.at(-1)!)).toEqual({ status: 503, code: 'no_space', outcome: 'none' });
      expect(seen.at(-1)!.headers['retry-after']).toBe('1');
      expect((await ask(http, 'GET', '/api/kv/big-0?consistency=stale')).bytes.length).toBe(
        body.length,
      );
    } finally {
      child.kill('SIGTERM');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
