import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError, type LeaderAddress } from '../service.ts';

const FORWARDED = 'x-forwarded-by-replica';
const PASSED_REQUEST_HEADERS = [
  'content-type',
  'if-match',
  'if-none-match',
  'x-client-id',
  'x-request-seq',
];
const PASSED_ANSWER_HEADERS = [
  'content-type',
  'retry-after',
  'x-revision',
  'x-applied-index',
  'x-replayed',
];
/** The leader answers by its own deadline; this is for a leader that does not answer at all. */
const GRACE_MS = 500;
const SOCKETS_MAX = 64;
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/** Sends requests on to the leader over HTTP and passes its answers back as they are. */
export class Forwarder {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });

  /** True for a request that another replica has already forwarded. */
  static wasForwarded(request: FastifyRequest): boolean {
    return request.headers[FORWARDED] !== undefined;
  }

  /**
   * Forwards a request and answers with what the leader says. Rejects with `no_leader` when the
   * leader could not be reached at all, and with an indefinite error when it fell silent.
   */
  async forward(
    leader: LeaderAddress,
    request: FastifyRequest,
    reply: FastifyReply,
    timeoutMs: number,
  ): Promise<void> {
    const answer = await this.ask(leader, request, timeoutMs + GRACE_MS);
    reply.code(answer.status);
    for (const name of PASSED_ANSWER_HEADERS) {
      const value = answer.headers[name];
      if (value !== undefined) reply.header(name, value);
    }
    reply.send(answer.body);
  }

  close(): void {
    this.agent.destroy();
  }

  private ask(
    leader: LeaderAddress,
    request: FastifyRequest,
    timeoutMs: number,
  ): Promise<{ status: number; headers: IncomingMessage['headers']; body: Buffer }> {
    const separator = leader.http.lastIndexOf(':');
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const headers: Record<string, string | number> = { [FORWARDED]: '1' };
    for (const name of PASSED_REQUEST_HEADERS) {
      const value = request.headers[name];
      if (typeof value === 'string') headers[name] = value;
    }
    if (request.method === 'PUT') headers['content-length'] = body.length;
    return new Promise((resolve, reject) => {
      let connected = false;
      const outgoing = httpRequest({
        agent: this.agent,
        host: leader.http.slice(0, separator).replace(/^\[|\]$/g, ''),
        port: Number(leader.http.slice(separator + 1)),
        method: request.method,
        path: request.originalUrl,
        headers,
        timeout: timeoutMs,
      });
      outgoing.on('socket', (socket) => {
        if (socket.connecting) socket.once('connect', () => (connected = true));
        else connected = true;
      });
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
      outgoing.on('error', (error) => reject(forwardingError(error, connected, leader)));
      outgoing.on('response', (incoming) => {
        const chunks: Buffer[] = [];
        let length = 0;
        incoming.on('data', (chunk: Buffer) => {
          length += chunk.length;
          if (length > ANSWER_BYTES_MAX) incoming.destroy(new Error('the answer is too large'));
          chunks.push(chunk);
        });
        incoming.on('error', (error) => reject(forwardingError(error, true, leader)));
        incoming.on('end', () => {
          const { statusCode: status = 500, headers: answerHeaders } = incoming;
          resolve({ status, headers: answerHeaders, body: Buffer.concat(chunks) });
        });
      });
      outgoing.end(body);
    });
  }
}

/** Before the connection stands nothing was sent: definite. Afterwards nobody knows. */
function forwardingError(error: Error, connected: boolean, leader: LeaderAddress): ApiError {
  const message = `replica ${leader.id} leads, and forwarding to it failed: ${error.message}`;
  return new ApiError(connected ? 'deadline_exceeded' : 'no_leader', message);
}
