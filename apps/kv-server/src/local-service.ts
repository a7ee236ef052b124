import type { ServiceError } from '@quorate/client';
import { checkCommand, decodeResult, encodeCommand, type KvCommand } from '@quorate/kv';
import type { Replica } from '@quorate/replica';
import { describeFault, type KeyValueLimits } from './command-check.ts';
import type { ReplicaService } from './replica-service.ts';
import {
  API_ERRORS,
  ApiError,
  type ApiErrorCode,
  type KvService,
  type LeaderAddress,
  type ReadReply,
  type StatusView,
  type WriteReply,
} from './service.ts';

/** What the promise-shaped service of the HTTP edge is made of. */
export interface LocalServiceOptions {
  readonly id: number;
  readonly replica: Replica;
  readonly stream: ReplicaService;
  readonly limits: KeyValueLimits;
  readonly httpAddress: (id: number) => string;
  readonly status: () => StatusView;
  readonly metrics: () => Promise<string>;
}

/**
 * The service of the HTTP edge: one promise and one timer a request, which is what the measured
 * stream port avoids.
 */
export class LocalService implements KvService {
  private readonly options: LocalServiceOptions;

  constructor(options: LocalServiceOptions) {
    this.options = options;
  }

  async write(command: KvCommand, timeoutMs: number): Promise<WriteReply> {
    const fault = checkCommand(command, this.options.limits);
    if (fault !== null) throw new ApiError(fault, describeFault(fault, this.options.limits));
    const late = `proposed, not known to be committed after ${timeoutMs} ms`;
    const bytes = await withDeadline<Uint8Array>(timeoutMs, late, (resolve, reject) => {
      this.options.stream.write(encodeCommand(command), timeoutMs * 1000, (error, result) => {
        if (error === null) resolve(result);
        else reject(this.apiError(error));
      });
    });
    const result = decodeResult(bytes);
    if (result.status === 'ok') return result;
    const { currentRevision } = result;
    if (result.status === 'cas_mismatch') {
      const seen = currentRevision === 0 ? 'does not exist' : `is at revision ${currentRevision}`;
      throw new ApiError('cas_mismatch', `the key ${seen}`, { currentRevision });
    }
    if (result.status === 'duplicate_request') {
      throw new ApiError('duplicate_request', 'this sequence was used for another request');
    }
    if (result.status === 'sequence_forgotten') {
      throw new ApiError('internal', 'this sequence is too old to tell whether it took effect');
    }
    throw new ApiError('bad_request', 'the command is not understood');
  }

  async read(
    key: Uint8Array,
    level: 'linearizable' | 'stale',
    timeoutMs: number,
  ): Promise<ReadReply> {
    const late = `the read was not confirmed within ${timeoutMs} ms`;
    return withDeadline<ReadReply>(timeoutMs, late, (resolve, reject) => {
      this.options.stream.read(key, level, timeoutMs * 1000, (error, answer) => {
        if (error === null) resolve(answer);
        else reject(this.apiError(error));
      });
    });
  }

  otherLeader(): LeaderAddress | null {
    const leader = this.options.replica.leader();
    if (leader === 0 || leader === this.options.id) return null;
    const http = this.options.httpAddress(leader);
    return http === '' ? null : { id: leader, http };
  }

  status(): StatusView {
    return this.options.status();
  }

  isAlive(): boolean {
    return !this.options.replica.status().stopped;
  }

  metrics(): Promise<string> {
    return this.options.metrics();
  }

  private apiError(error: ServiceError): ApiError {
    if (error.code === 'not_leader') {
      const leader = this.otherLeader();
      return new ApiError('no_leader', error.message, leader === null ? {} : { leader });
    }
    // After losing leadership a write may still be committed: to a client a missed deadline.
    if (error.code === 'internal') return new ApiError('deadline_exceeded', error.message);
    const code = error.code in API_ERRORS ? (error.code as ApiErrorCode) : 'internal';
    return new ApiError(code, error.message);
  }
}

function withDeadline<T>(
  timeoutMs: number,
  late: string,
  start: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(new ApiError('deadline_exceeded', late)), timeoutMs);
    start(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
