import type { ControlRequest, EventLine, ReadyLine, ReplicaLine } from './control-protocol.ts';
import { ClusterError } from './errors.ts';

/** What a link tells its owner. */
export interface ControlLinkHandlers {
  ready(line: ReadyLine): void;
  event(line: EventLine): void;
  fatal(code: string, message: string): void;
}

interface PendingReply {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** A replica that answers no request for this long is taken for unresponsive. */
const REPLY_TIMEOUT_MS = 10_000;

/** Requests and replies of one control channel, whatever carries its objects. */
export class ControlLink {
  private readonly post: (line: object) => void;
  private readonly handlers: ControlLinkHandlers;
  private readonly pending = new Map<number, PendingReply>();
  private next = 1;
  private ended: string | null = null;

  constructor(post: (line: object) => void, handlers: ControlLinkHandlers) {
    this.post = post;
    this.handlers = handlers;
  }

  /** Asks the replica; rejects with {@link ClusterError} when it answers an error or ends first. */
  request<T>(request: ControlRequest, timeoutMs = REPLY_TIMEOUT_MS): Promise<T> {
    if (this.ended !== null) return Promise.reject(unresponsive(request.op, this.ended));
    const number = this.next++;
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(number);
        reject(unresponsive(request.op, `no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      this.pending.set(number, { resolve: resolve as (value: unknown) => void, reject, timer });
      this.post({ request: number, ...request });
    });
  }

  /** Takes one object that the replica sent; anything unknown is passed over. */
  received(line: ReplicaLine): void {
    if ('reply' in line) this.replied(line.reply, line.value, line.error);
    else if ('event' in line) this.handlers.event(line);
    else if ('ready' in line) this.handlers.ready(line);
    else if ('fatal' in line) this.handlers.fatal(line.fatal.code, line.fatal.message);
  }

  /** The replica ended; whatever is still open is answered with `reason`. */
  end(reason: string): void {
    if (this.ended !== null) return;
    this.ended = reason;
    for (const [, one] of this.pending) {
      clearTimeout(one.timer);
      one.reject(unresponsive('request', reason));
    }
    this.pending.clear();
  }

  private replied(
    number: number,
    value: unknown,
    error: { readonly code: string; readonly message: string } | undefined,
  ): void {
    const one = this.pending.get(number);
    if (one === undefined) return;
    this.pending.delete(number);
    clearTimeout(one.timer);
    if (error === undefined) one.resolve(value);
    else one.reject(new ClusterError('CLUSTER_ERR_REFUSED', `${error.code}: ${error.message}`));
  }
}

function unresponsive(op: string, reason: string): ClusterError {
  return new ClusterError('CLUSTER_ERR_UNRESPONSIVE', `${op}: ${reason}`);
}
