import type { ReadLevel } from '@quorate/consensus';
import type { KvCondition, KvRequestId } from '@quorate/kv';
import type { ClientConnection } from './client-connection.ts';
import type { ClientErrorCode } from './errors.ts';
import type { OperationDone } from './types.ts';

/** What an operation does. */
export type OperationKind = 'put' | 'delete' | 'get' | 'status';

/**
 * One operation from its call to its end. All fields exist from the start and in one order, and the
 * links of the deadline wheel stand in the object itself, so that an operation costs one object.
 */
export class Operation {
  readonly kind: OperationKind;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly condition: KvCondition;
  readonly level: ReadLevel;
  /** The clock's time at which it ends, whatever happened. */
  readonly deadline: number;
  readonly done: OperationDone;
  state: 'waiting' | 'sent' | 'over' = 'waiting';
  /** Times that it was sent. */
  attempts = 0;
  /** An attempt ended without a definite answer: it may have taken effect. */
  inDoubt = false;
  /** The last definite error, told when the deadline passes while the operation waits. */
  lastError: ClientErrorCode | null = null;
  /** A write was given its place in the session, if there is one, at its first attempt. */
  prepared = false;
  /** The name of a write in its session, the same at each attempt; null without a session. */
  request: KvRequestId | null = null;
  connection: ClientConnection | null = null;
  /** Its name on the connection. */
  requestId = 0;
  /** The wheel's slot and the neighbours in it. */
  slot = -1;
  previous: Operation | null = null;
  next: Operation | null = null;

  constructor(
    kind: OperationKind,
    key: Uint8Array,
    value: Uint8Array,
    condition: KvCondition,
    level: ReadLevel,
    deadline: number,
    done: OperationDone,
  ) {
    this.kind = kind;
    this.key = key;
    this.value = value;
    this.condition = condition;
    this.level = level;
    this.deadline = deadline;
    this.done = done;
  }

  /** The position in the session; 0 without one. */
  get sequence(): number {
    return this.request === null ? 0 : this.request.sequence;
  }

  get isWrite(): boolean {
    return this.kind === 'put' || this.kind === 'delete';
  }
}
