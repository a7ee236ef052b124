import { randomUUID } from 'node:crypto';
import { createConnection } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  ask,
  eventually,
  REPLICATED_PROTOCOLS,
  startTestCluster,
  type TestCluster,
} from './cluster-fixture.ts';

/** As many results as a session keeps; one more and the oldest is forgotten. */
const RESULTS_PER_SESSION = 1024;
const AT_ONCE = 16;

const expectError = (answer: Answered, status: number, code: string, outcome = 'none'): void => {
  expect([answer.status, answer.json?.error]).toEqual([
    status,
    expect.objectContaining({ code, outcome, message: expect.stringMatching(/\S/) }),
  ]);
  const isTemporary = status === 429 || status === 503;
  expect(answer.headers['retry-after']).toBe(isTemporary ? '1' : undefined);
};

describe.each(REPLICATED_PROTOCOLS)('the HTTP API with %s', (protocol) => {
  let test: TestCluster;
  let leader = '';
  let follower = '';
  const kv = (key: string): string => `/api/kv/${key}`;

  beforeAll(async () => {
    // Elections are no subject here, so a busy machine shall not cause one.
    test = await startTestCluster(protocol, { electionTimeoutMs: [1_000, 1_500] });
    const { id } = await test.cluster.awaitLeader(20_000);
    leader = test.cluster.members.find((member) => member.id === id)!.http;
    follower = test.cluster.members.find((member) => member.id !== id)!.http;
    await eventually(
      'the follower knows the leader',
      () => ask(follower, 'GET', '/readyz'),
      (answer) => answer.status === 200,
    );
  });
  afterAll(() => test?.remove());

  it('writes, reads, overwrites and deletes; deleting what is missing is no error', async () => {
    const made = await ask(leader, 'PUT', kv('a'), { body: 'one' });
    expect(made.json).toEqual({ key: 'a', revision: expect.any(Number), created: true });
    const again = await ask(leader, 'PUT', kv('a'), { body: 'two' });
    expect(again.json).toEqual({ key: 'a', revision: made.json.revision + 1, created: false });
    const read = await ask(leader, 'GET', kv('a'));
    expect([read.status, read.bytes.toString()]).toEqual([200, 'two']);
    expect(read.headers['x-revision']).toBe(String(again.json.revision));
    expect(Number(read.headers['x-applied-index'])).toBeGreaterThan(0);
    const gone = await ask(leader, 'DELETE', kv('a'));
    expect(gone.json).toEqual({ deleted: true, revision: made.json.revision + 2 });
    const goneAgain = await ask(leader, 'DELETE', kv('a'));
    expect([goneAgain.status, goneAgain.json.deleted]).toEqual([200, false]);
    expectError(await ask(leader, 'GET', kv('a')), 404, 'key_not_found');
  });

  it('sets only where the condition holds, and tells the revision where not', async () => {
    const first = await ask(leader, 'PUT', kv('cas'), {
      body: '1',
      headers: { 'if-none-match': '*' },
    });
    expect(first.status).toBe(200);
    const refused = await ask(leader, 'PUT', kv('cas'), {
      body: '2',
      headers: { 'if-none-match': '*' },
    });
    expectError(refused, 409, 'cas_mismatch');
    expect(refused.json.error.currentRevision).toBe(first.json.revision);
    const match = { 'if-match': `"${first.json.revision}"` };
    expect((await ask(leader, 'PUT', kv('cas'), { body: '2', headers: match })).status).toBe(200);
    const stale = await ask(leader, 'PUT', kv('cas'), { body: '3', headers: match });
    expectError(stale, 409, 'cas_mismatch');
    expect((await ask(leader, 'GET', kv('cas'))).bytes.toString()).toBe('2');
  });

  it('takes any replica: a follower forwards, or answers 307 when told not to', async () => {
    const put = await ask(follower, 'PUT', kv('by/follower'), { body: 'x' });
    expect([put.status, put.json.key]).toEqual([200, 'by/follower']);
    expect((await ask(follower, 'GET', kv('by/follower'))).bytes.toString()).toBe('x');
    const gone = await ask(follower, 'DELETE', kv('by/follower?timeout=2s'));
    expect(gone.json.deleted).toBe(true);
    for (const method of ['PUT', 'GET', 'DELETE']) {
      const path = kv('by%2Ffollower?timeout=2s');
      const headers = { 'x-forward': 'never' };
      const body = method === 'PUT' ? { body: 'x' } : {};
      const answer = await ask(follower, method, path, { ...body, headers });
      expect([answer.status, answer.headers.location]).toEqual([307, `http://${leader}${path}`]);
    }
    const marked = { 'x-forwarded-by-replica': '1' };
    const hop = await ask(follower, 'PUT', kv('a'), { body: 'x', headers: marked });
    expectError(hop, 503, 'no_leader'); // A second hop is refused, so there is no loop.
    expect(hop.json.error.leader.http).toBe(leader);
  });

  it('answers a repeated request with the first result, also through another replica', async () => {
    const headers = { 'x-client-id': randomUUID(), 'x-request-seq': '7' };
    const first = await ask(leader, 'PUT', kv('once'), { body: 'v', headers });
    expect(first.headers['x-replayed']).toBeUndefined();
    for (const address of [leader, follower]) {
      const retried = await ask(address, 'PUT', kv('once'), { body: 'v', headers });
      expect(retried.headers['x-replayed']).toBe('true');
      expect(retried.json).toEqual(first.json);
    }
    const other = await ask(leader, 'PUT', kv('once'), { body: 'other', headers });
    expectError(other, 409, 'duplicate_request');
    expect((await ask(leader, 'GET', kv('once'))).bytes.toString()).toBe('v');
  });

  it('cannot tell of a sequence that its session has forgotten: internal, unknown', async () => {
    const client = randomUUID();
    const put = (sequence: number): Promise<Answered> => {
      const headers = { 'x-client-id': client, 'x-request-seq': String(sequence) };
      return ask(leader, 'PUT', kv('session'), { body: 'v', headers });
    };
    expect((await put(1)).status).toBe(200);
    for (let at = 2; at <= RESULTS_PER_SESSION + 1; at += AT_ONCE) {
      const through = Math.min(AT_ONCE, RESULTS_PER_SESSION + 2 - at);
      const answers = await Promise.all(Array.from({ length: through }, (_, i) => put(at + i)));
      expect(answers.every((answer) => answer.status === 200)).toBe(true);
    }
    expectError(await put(1), 500, 'internal', 'unknown');
  });

  it.each([
    ['plain%2Fslash', 'plain/slash', 'the slash is a byte like any other'],
    ['a//b/', 'a%2F%2Fb%2F', 'empty segments stay'],
    ['%2525', '%2525', 'decoded exactly once'],
    ['..%2F..', '..%2f..', 'dots mean nothing'],
    ['sp%20ace+plus', 'sp%20ace%2Bplus', 'a plus is a plus'],
    ['%FF%FE%00', '%ff%fe%00', 'no UTF-8 is asked for'],
    ['%C3%A4', '%c3%a4', 'UTF-8 passes as bytes'],
  ])('takes the key %s as bytes (%s): %s', async (written, read) => {
    const body = randomUUID();
    expect((await ask(leader, 'PUT', kv(written), { body })).status).toBe(200);
    expect((await ask(leader, 'GET', kv(read))).bytes.toString()).toBe(body);
    expect((await ask(follower, 'GET', kv(read))).bytes.toString()).toBe(body);
  });

  it('keeps values as bytes, the empty one and the largest one too', async () => {
    for (const body of [
      Buffer.alloc(0),
      Buffer.from([0, 255, 10, 13]),
      Buffer.alloc(1536 * 1024, 7),
    ]) {
      expect((await ask(follower, 'PUT', kv('bytes'), { body })).status).toBe(200);
      expect((await ask(follower, 'GET', kv('bytes'))).bytes.equals(body)).toBe(true);
    }
  });

  it('reads stale from whoever is asked, without a leader', async () => {
    await ask(leader, 'PUT', kv('stale'), { body: 's' });
    const seen = await eventually(
      'the follower has applied it',
      () =>
        ask(follower, 'GET', kv('stale?consistency=stale'), { headers: { 'x-forward': 'never' } }),
      (answer) => answer.status === 200,
    );
    expect(seen.bytes.toString()).toBe('s');
    expect(Number(seen.headers['x-applied-index'])).toBeGreaterThan(0);
  });

  it.each([
    ['GET', kv('a?timeout=never'), {}, 400, 'bad_request'],
    ['GET', kv('a?consistency=maybe'), {}, 400, 'bad_request'],
    ['GET', kv('a?consistancy=stale'), {}, 400, 'bad_request'],
    ['PUT', kv('a'), { body: 'x', headers: { 'if-match': '3' } }, 400, 'bad_request'],
    ['PUT', kv('a'), { body: 'x', headers: { 'x-client-id': 'me' } }, 400, 'bad_request'],
    ['PUT', kv('a'), { body: 'x', headers: { 'x-forward': 'maybe' } }, 400, 'bad_request'],
    ['GET', kv('a%zz'), {}, 400, 'bad_key_encoding'],
    ['GET', kv('a%2'), {}, 400, 'bad_key_encoding'],
    ['GET', '/api/kv', {}, 404, 'no_such_route'],
    ['GET', '/', {}, 404, 'no_such_route'],
    ['POST', kv('a'), { body: 'x' }, 405, 'method_not_allowed'],
    ['DELETE', '/healthz', {}, 405, 'method_not_allowed'],
    ['PUT', kv('a'), { headOnly: true }, 411, 'length_required'],
    ['PUT', kv('{4097 bytes}'), { body: 'x' }, 413, 'key_too_large'],
    ['GET', kv('{4097 encoded bytes}'), {}, 413, 'key_too_large'],
    [
      'PUT',
      kv('a'),
      { headers: { 'content-length': '1572865' }, headOnly: true },
      413,
      'value_too_large',
    ],
    [
      'PUT',
      kv('a'),
      { body: 'x', headers: { 'content-type': 'multipart/form-data; boundary=b' } },
      415,
      'unsupported_media_type',
    ],
    [
      'PUT',
      kv('a'),
      { body: 'x', headers: { 'content-encoding': 'gzip' } },
      415,
      'unsupported_media_type',
    ],
    ['PUT', kv(''), { body: 'x' }, 422, 'unprocessable'],
    ['PUT', kv('%00reserved'), { body: 'x' }, 422, 'unprocessable'],
  ] as const)('%s %s with %j gets %i %s', async (method, named, asked, status, code) => {
    const path = named
      .replace('{4097 bytes}', 'k'.repeat(4097))
      .replace('{4097 encoded bytes}', '%6b'.repeat(4097));
    expectError(await ask(leader, method, path, asked), status, code);
    expectError(await ask(follower, method, path, asked), status, code);
  });

  it('names the methods that a path takes', async () => {
    expect((await ask(leader, 'PATCH', kv('a'))).headers.allow).toBe('GET, HEAD, PUT, DELETE');
    expect((await ask(leader, 'GET', '/api/cluster/add_node')).headers.allow).toBe('POST');
  });

  it.each(['add_node', 'remove_node'])('%s checks its body, then says not yet', async (route) => {
    const path = `/api/cluster/${route}`;
    const type = { 'content-type': 'application/json' };
    expectError(
      await ask(leader, 'POST', path, { body: '{"id":4}', headers: type }),
      501,
      'not_yet',
    );
    expectError(
      await ask(leader, 'POST', path, { body: '{', headers: type }),
      400,
      'malformed_json',
    );
    expectError(
      await ask(leader, 'POST', path, { body: '{}', headers: type }),
      422,
      'unprocessable',
    );
    expectError(await ask(leader, 'POST', path, { body: '{}' }), 415, 'unsupported_media_type');
  });

  it('answers what is not HTTP with a plain error', async () => {
    const separator = leader.lastIndexOf(':');
    const text = await new Promise<string>((resolve, reject) => {
      const socket = createConnection(
        Number(leader.slice(separator + 1)),
        leader.slice(0, separator),
      );
      let seen = '';
      socket.on('data', (chunk) => {
        seen += String(chunk);
      });
      socket.on('error', reject).on('close', () => resolve(seen));
      socket.write('hello\r\n\r\n');
    });
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text).toContain('"code":"bad_request"');
  });

  it('tells status, health, readiness and metrics', async () => {
    const { json } = await ask(leader, 'GET', '/api/cluster/status');
    expect(json).toMatchObject({
      clusterId: 'e2e',
      protocol,
      role: 'leader',
      leader: { id: json.id, http: leader },
      health: 'ok',
    });
    for (const name of ['round', 'commitIndex', 'appliedIndex', 'lastIndex', 'snapshotIndex']) {
      expect(json[name], name).toEqual(expect.any(Number));
    }
    expect(json.variants).toEqual(expect.any(Object));
    expect(json.members.map((member: { id: number }) => member.id).sort()).toEqual([1, 2, 3]);
    for (const member of json.members) {
      expect(member).toMatchObject({
        http: expect.stringContaining(':'),
        state: expect.any(String),
      });
    }
    const seen = (await ask(follower, 'GET', '/api/cluster/status')).json;
    expect([seen.role, seen.leader.http]).toEqual(['follower', leader]);
    expect((await ask(leader, 'GET', '/healthz')).json).toEqual({ alive: true });
    expect((await ask(leader, 'GET', '/readyz')).json).toMatchObject({ ready: true, health: 'ok' });
    const metrics = (await ask(leader, 'GET', '/metrics')).bytes.toString();
    expect(metrics).toMatch(/^quorate_commit_index \d+$/m);
    expect(metrics).toMatch(/^process_cpu_seconds_total /m);
  });
});
