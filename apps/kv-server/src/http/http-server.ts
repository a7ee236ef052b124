import type { AddressInfo, Socket } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { ApiError, type KvService, type LeaderAddress } from '../service.ts';
import { Forwarder } from './forwarder.ts';
import {
  parseCondition,
  parseConsistency,
  parseKey,
  parseRequestId,
  parseTimeout,
} from './request-parsing.ts';

/** What the HTTP edge is made of. */
export interface HttpOptions {
  readonly service: KvService;
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  readonly requestTimeoutMs: number;
}

/** An open HTTP edge. */
export interface HttpEdge {
  /** Where it listens, with the real port. */
  readonly address: string;
  close(): Promise<void>;
}

const KV_PREFIX = '/api/kv/';
/** What the router sees in place of any key; keys are opaque bytes and no business of a router. */
const KV_ROUTE = '/api/kv/key';
/** Answers that are still on their way when the edge closes get this long. */
const CLOSE_GRACE_MS = 250;
/** Room for the headers of a request beside its key, each byte of which may be written as three. */
const HEADER_BYTES_MAX = 16 * 1024;
const ENCODED_BYTES_PER_BYTE = 3;
const MEMBER_BODY_BYTES_MAX = 64 * 1024;
const RETRY_AFTER_SECONDS = '1';
const METHODS: Readonly<Record<string, string>> = {
  '/api/cluster/status': 'GET, HEAD',
  '/healthz': 'GET, HEAD',
  '/readyz': 'GET, HEAD',
  '/metrics': 'GET, HEAD',
  '/api/cluster/add_node': 'POST',
  '/api/cluster/remove_node': 'POST',
};

/** Opens the HTTP API of `docs/reference/http-api.md` at `host:port`. */
export async function openHttpEdge(address: string, options: HttpOptions): Promise<HttpEdge> {
  const app = Fastify({
    logger: false,
    bodyLimit: options.valueBytesMax,
    forceCloseConnections: 'idle',
    // While closing, handlers go on and the replica itself answers `shutting_down`.
    return503OnClosing: false,
    http: { maxHeaderSize: HEADER_BYTES_MAX + 2 * ENCODED_BYTES_PER_BYTE * options.keyBytesMax },
    rewriteUrl: (request) => routedUrl(request.url ?? '/'),
    frameworkErrors: (_error, _request, reply) => {
      sendError(reply, new ApiError('bad_request', 'the path is not percent-encoded UTF-8'));
    },
    clientErrorHandler: answerMalformed,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error, _request, reply) => sendError(reply, asApiError(error)));
  app.setNotFoundHandler((request, reply) => sendError(reply, notFound(request)));
  const forwarder = new Forwarder();
  addKeyRoutes(app, options, forwarder);
  addClusterRoutes(app, options.service);
  const separator = address.lastIndexOf(':');
  const host = address.slice(0, separator).replace(/^\[|\]$/g, '');
  await app.listen({ host, port: Number(address.slice(separator + 1)) });
  const bound = app.server.address() as AddressInfo;
  const shown = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  const close = async (): Promise<void> => {
    const timer = setTimeout(() => app.server.closeAllConnections(), CLOSE_GRACE_MS);
    await app.close();
    clearTimeout(timer);
    forwarder.close();
  };
  return { address: `${shown}:${bound.port}`, close };
}

/** The path that the router sees: every key stands at one route, whatever its bytes are. */
function routedUrl(url: string): string {
  if (!url.startsWith(KV_PREFIX)) return url;
  const query = url.indexOf('?');
  return query < 0 ? KV_ROUTE : KV_ROUTE + url.slice(query);
}

/** Answers bytes that are not HTTP; there is no request yet, so the answer is written by hand. */
function answerMalformed(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, body } = errorAnswer(new ApiError('bad_request', `not HTTP: ${error.message}`));
  const text = JSON.stringify(body);
  const type = 'application/json; charset=utf-8';
  const head = `HTTP/1.1 ${status} Bad Request\r\nContent-Type: ${type}\r\n`;
  const length = Buffer.byteLength(text);
  socket.end(`${head}Content-Length: ${length}\r\nConnection: close\r\n\r\n${text}`);
}

function addKeyRoutes(app: FastifyInstance, options: HttpOptions, forwarder: Forwarder): void {
  const { service } = options;
  const keyOf = (request: FastifyRequest): Uint8Array => {
    const key = parseKey(request.originalUrl, KV_PREFIX);
    if (key.length > options.keyBytesMax) {
      const message = `a key has at most ${options.keyBytesMax} bytes, this one ${key.length}`;
      throw new ApiError('key_too_large', message);
    }
    return key;
  };
  const timeoutOf = (request: FastifyRequest): number => {
    const { timeout } = checkQuery(request, ['timeout']);
    return parseTimeout(timeout, options.requestTimeoutMs);
  };
  app.put(KV_ROUTE, { onRequest: checkBody(options) }, async (request, reply) => {
    const key = keyOf(request);
    if (redirected(service, request, reply)) return reply;
    const command = {
      operation: 'put' as const,
      key,
      value: (request.body as Buffer | null) ?? new Uint8Array(0),
      condition: parseCondition(request.headers),
      request: parseRequestId(request.headers),
    };
    const timeoutMs = timeoutOf(request);
    return orForward(forwarder, request, reply, timeoutMs, async () => {
      const done = await service.write(command, timeoutMs);
      if (done.replayed) reply.header('x-replayed', 'true');
      reply.send({ key: shown(key), revision: done.revision, created: done.created });
    });
  });
  app.get(KV_ROUTE, async (request, reply) => {
    const key = keyOf(request);
    const { consistency, timeout } = checkQuery(request, ['consistency', 'timeout']);
    const level = parseConsistency(consistency);
    if (level === 'linearizable' && redirected(service, request, reply)) return reply;
    const timeoutMs = parseTimeout(timeout, options.requestTimeoutMs);
    return orForward(forwarder, request, reply, timeoutMs, async () => {
      const found = await service.read(key, level, timeoutMs);
      reply.header('x-applied-index', String(found.appliedIndex));
      if (found.value === null) throw new ApiError('key_not_found', 'there is no such key');
      reply.header('x-revision', String(found.revision));
      reply.type('application/octet-stream').send(Buffer.from(found.value));
    });
  });
  app.delete(KV_ROUTE, async (request, reply) => {
    const key = keyOf(request);
    if (redirected(service, request, reply)) return reply;
    const command = {
      operation: 'delete' as const,
      key,
      value: new Uint8Array(0),
      condition: parseCondition(request.headers),
      request: parseRequestId(request.headers),
    };
    const timeoutMs = timeoutOf(request);
    return orForward(forwarder, request, reply, timeoutMs, async () => {
      const done = await service.write(command, timeoutMs);
      if (done.replayed) reply.header('x-replayed', 'true');
      reply.send({ deleted: done.deleted, revision: done.revision });
    });
  });
}

/** A misspelt parameter would quietly mean the default, so only the known ones are taken. */
function checkQuery(
  request: FastifyRequest,
  allowed: readonly string[],
): Readonly<Record<string, string | undefined>> {
  const query = request.query as Readonly<Record<string, string | undefined>>;
  const unknown = Object.keys(query).find((name) => !allowed.includes(name));
  if (unknown !== undefined) {
    const message = `the parameter "${unknown}" is unknown; allowed: ${allowed.join(', ')}`;
    throw new ApiError('bad_request', message);
  }
  return query;
}

/** A value comes with its length and is no form: refused before a byte of it is read. */
function checkBody(options: HttpOptions) {
  return async (request: FastifyRequest): Promise<void> => {
    const type = request.headers['content-type'] ?? '';
    const encoding = request.headers['content-encoding'] ?? 'identity';
    if (type.startsWith('multipart/') || encoding !== 'identity') {
      const message = 'a value is the plain body: no multipart form, no Content-Encoding';
      throw new ApiError('unsupported_media_type', message);
    }
    const length = request.headers['content-length'];
    if (length === undefined) {
      throw new ApiError('length_required', 'a PUT states its Content-Length');
    }
    if (Number(length) > options.valueBytesMax) {
      const message = `a value has at most ${options.valueBytesMax} bytes, this one ${length}`;
      throw new ApiError('value_too_large', message);
    }
  };
}

/** Answers 307 with the leader's address when the client asked not to be forwarded. */
function redirected(service: KvService, request: FastifyRequest, reply: FastifyReply): boolean {
  const forward = request.headers['x-forward'];
  if (forward === undefined) return false;
  if (forward !== 'never') throw new ApiError('bad_request', 'X-Forward takes only "never"');
  const leader = service.otherLeader();
  if (leader === null) return false;
  reply.code(307).header('location', `http://${leader.http}${request.originalUrl}`);
  reply.send({ leader });
  return true;
}

/**
 * Serves a request here or, when another replica leads, there: one hop, since a request that was
 * forwarded once is never forwarded again. A refusal to serve here recorded nothing, so forwarding
 * cannot carry a request out twice.
 */
async function orForward(
  forwarder: Forwarder,
  request: FastifyRequest,
  reply: FastifyReply,
  timeoutMs: number,
  serve: () => Promise<void>,
): Promise<FastifyReply> {
  try {
    await serve();
  } catch (error) {
    const leader = error instanceof ApiError ? error.details.leader : undefined;
    if (leader === undefined || Forwarder.wasForwarded(request)) throw error;
    await forwarder.forward(leader as LeaderAddress, request, reply, timeoutMs);
  }
  return reply;
}

function addClusterRoutes(app: FastifyInstance, service: KvService): void {
  app.get('/api/cluster/status', (_request, reply) => reply.send(service.status()));
  app.get('/healthz', (_request, reply) => {
    const alive = service.isAlive();
    return reply.code(alive ? 200 : 503).send({ alive });
  });
  app.get('/readyz', (_request, reply) => {
    const { health, leader } = service.status();
    return reply.code(health === 'ok' ? 200 : 503).send({ ready: health === 'ok', health, leader });
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(await service.metrics()),
  );
  for (const route of ['/api/cluster/add_node', '/api/cluster/remove_node']) {
    app.post(route, { bodyLimit: MEMBER_BODY_BYTES_MAX }, async (request) => {
      checkMemberBody(request);
      throw new ApiError('not_yet', 'membership change does not exist yet');
    });
  }
}

/** The body is checked although the route does nothing yet, so that clients can be written now. */
function checkMemberBody(request: FastifyRequest): void {
  if (!(request.headers['content-type'] ?? '').startsWith('application/json')) {
    throw new ApiError('unsupported_media_type', 'the body is application/json');
  }
  let body: unknown;
  try {
    body = JSON.parse(String(request.body));
  } catch {
    throw new ApiError('malformed_json', 'the body is not JSON');
  }
  const id = typeof body === 'object' && body !== null ? (body as { id?: unknown }).id : undefined;
  if (!Number.isInteger(id) || (id as number) < 1) {
    throw new ApiError('unprocessable', 'the body names the member: {"id": 4, ...}');
  }
}

function notFound(request: FastifyRequest): ApiError {
  const path = request.originalUrl.split('?')[0] ?? '';
  const allow = path.startsWith(KV_PREFIX) ? 'GET, HEAD, PUT, DELETE' : METHODS[path];
  if (allow !== undefined) {
    return new ApiError('method_not_allowed', `${request.method} is not allowed here`, { allow });
  }
  const routes = [`${KV_PREFIX}{key}`, ...Object.keys(METHODS)].join(', ');
  return new ApiError('no_such_route', `there is no ${path}; the routes are ${routes}`);
}

/** Turns what a handler or the framework threw into an answer; a surprise is `internal`. */
function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const code = (error as { code?: string }).code;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new ApiError('value_too_large', 'the body is longer than a value may be');
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new ApiError('unsupported_media_type', 'the Content-Type is not understood');
  }
  if (code === 'FST_ERR_CTP_INVALID_CONTENT_LENGTH') {
    return new ApiError('bad_request', 'the body is not as long as Content-Length says');
  }
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError('internal', message);
}

function sendError(reply: FastifyReply, error: ApiError): void {
  const { status, body, headers } = errorAnswer(error);
  reply.code(status).headers(headers).type('application/json; charset=utf-8').send(body);
}

function errorAnswer(error: ApiError): { status: number; body: object; headers: object } {
  const { allow, ...details } = error.details;
  const { code, message, outcome, status } = error;
  const headers = {
    ...(allow === undefined ? {} : { allow: String(allow) }),
    ...(status === 429 || status === 503 ? { 'retry-after': RETRY_AFTER_SECONDS } : {}),
  };
  return { status, headers, body: { error: { code, message, outcome, ...details } } };
}

/** A key as people read it: UTF-8 where it is, percent-encoded bytes elsewhere. */
function shown(key: Uint8Array): string {
  const text = Buffer.from(key).toString('utf8');
  if (Buffer.from(text, 'utf8').equals(key)) return text;
  return [...key].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}
