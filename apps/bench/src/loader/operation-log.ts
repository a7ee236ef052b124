import { NO_WRITE } from '@quorate/workload';

/** How an operation ended, as a code of the columns. */
export const PENDING = 0;
/** A definite success. */
export const OK = 1;
/** A definite failure: it never took effect. */
export const FAIL = 2;
/** An indefinite end: it may take effect at any later time. */
export const INFO = 3;

/** In the column `seen`: the read found no key. */
export const SEEN_ABSENT = 0xffff_fffe;
/** In the column `seen`: nothing is known of what the read found. */
export const SEEN_NOTHING = NO_WRITE;

const CHUNK_OPERATIONS = 1 << 17;

/** A stretch of columns; operation n stands at n modulo the chunk's length. */
class Chunk {
  readonly kinds = new Uint8Array(CHUNK_OPERATIONS);
  readonly outcomes = new Uint8Array(CHUNK_OPERATIONS);
  readonly phases = new Uint16Array(CHUNK_OPERATIONS);
  readonly keys = new Uint32Array(CHUNK_OPERATIONS);
  readonly processes = new Uint32Array(CHUNK_OPERATIONS);
  readonly writes = new Uint32Array(CHUNK_OPERATIONS);
  readonly expected = new Uint32Array(CHUNK_OPERATIONS);
  readonly seen = new Uint32Array(CHUNK_OPERATIONS);
  readonly intended = new Float64Array(CHUNK_OPERATIONS);
  readonly started = new Float64Array(CHUNK_OPERATIONS);
  readonly ended = new Float64Array(CHUNK_OPERATIONS);
  /** Twice as many events as operations: each begins and ends. */
  readonly events = new Uint32Array(2 * CHUNK_OPERATIONS);
}

/** One operation read back from the columns. */
export interface LoggedOperation {
  readonly kind: number;
  readonly outcome: number;
  readonly phase: number;
  readonly key: number;
  readonly process: number;
  readonly write: number;
  readonly expected: number;
  readonly seen: number;
  readonly intendedMicros: number;
  readonly startedMicros: number;
  readonly endedMicros: number;
}

/**
 * Every operation of a loader in preallocated columns, so that recording costs a few stores and no
 * allocation; text is made of it only when the load is over. It also keeps the order in which
 * operations began and ended: the order that a history states.
 */
export class OperationLog {
  private readonly chunks: Chunk[] = [];
  private count = 0;
  private eventCount = 0;
  private freeProcesses: number[] = [];
  private nextProcess = 0;

  /** The number of operations so far. */
  get operations(): number {
    return this.count;
  }

  /** The number of events so far: beginnings and ends. */
  get events(): number {
    return this.eventCount;
  }

  /** Notes that an operation begins; returns its number. */
  begin(
    phase: number,
    kind: number,
    key: number,
    write: number,
    expected: number,
    intendedMicros: number,
    startedMicros: number,
  ): number {
    const number = this.count++;
    const chunk = this.chunkFor(number);
    const at = number % CHUNK_OPERATIONS;
    chunk.phases[at] = phase;
    chunk.kinds[at] = kind;
    chunk.keys[at] = key;
    chunk.writes[at] = write;
    chunk.expected[at] = expected;
    chunk.seen[at] = SEEN_NOTHING;
    chunk.intended[at] = intendedMicros;
    chunk.started[at] = startedMicros;
    chunk.processes[at] = this.freeProcesses.pop() ?? this.nextProcess++;
    this.event(number * 2);
    return number;
  }

  /** Notes how an operation ended. A process that ended in `info` is never used again. */
  end(number: number, outcome: number, seen: number, endedMicros: number): void {
    const chunk = this.chunkFor(number);
    const at = number % CHUNK_OPERATIONS;
    chunk.outcomes[at] = outcome;
    chunk.seen[at] = seen;
    chunk.ended[at] = endedMicros;
    if (outcome !== INFO) this.freeProcesses.push(chunk.processes[at] as number);
    this.event(number * 2 + 1);
  }

  /** Operation `number`, from 0, in order of beginning. */
  at(number: number): LoggedOperation {
    const chunk = this.chunkFor(number);
    const at = number % CHUNK_OPERATIONS;
    return {
      kind: chunk.kinds[at] as number,
      outcome: chunk.outcomes[at] as number,
      phase: chunk.phases[at] as number,
      key: chunk.keys[at] as number,
      process: chunk.processes[at] as number,
      write: chunk.writes[at] as number,
      expected: chunk.expected[at] as number,
      seen: chunk.seen[at] as number,
      intendedMicros: chunk.intended[at] as number,
      startedMicros: chunk.started[at] as number,
      endedMicros: chunk.ended[at] as number,
    };
  }

  /** Event `place`, from 0: which operation, and whether it begins or ends there. */
  eventAt(place: number): { readonly number: number; readonly isEnd: boolean } {
    const chunk = this.chunks[Math.floor(place / (2 * CHUNK_OPERATIONS))] as Chunk;
    const code = chunk.events[place % (2 * CHUNK_OPERATIONS)] as number;
    return { number: code >>> 1, isEnd: (code & 1) === 1 };
  }

  private event(code: number): void {
    const place = this.eventCount++;
    const chunk = this.chunkFor(Math.floor(place / 2));
    chunk.events[place % (2 * CHUNK_OPERATIONS)] = code;
  }

  private chunkFor(number: number): Chunk {
    const index = Math.floor(number / CHUNK_OPERATIONS);
    let chunk = this.chunks[index];
    if (chunk === undefined) {
      chunk = new Chunk();
      this.chunks[index] = chunk;
    }
    return chunk;
  }
}
