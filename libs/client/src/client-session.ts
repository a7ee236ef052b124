import { assert, type Random } from '@quorate/foundation';
import { CLIENT_ID_BYTES, type KvRequestId } from '@quorate/kv';

/**
 * A client session (Raft thesis, section 6.3): a random client id and a growing sequence, by which
 * the state machine recognizes a repeated write. At most `windowMax` sequences lie between the
 * oldest unanswered and the newest.
 */
export class ClientSession {
  private readonly clientId: Uint8Array;
  private readonly windowMax: number;
  /** By sequence modulo the window: 1 when answered and above `answeredThrough`. */
  private readonly answered: Uint8Array;
  private lastSequence = 0;
  private answeredThrough = 0;

  constructor(random: Random, windowMax: number) {
    assert(windowMax >= 1, 'a window holds a request');
    this.windowMax = windowMax;
    this.answered = new Uint8Array(windowMax);
    this.clientId = new Uint8Array(CLIENT_ID_BYTES);
    for (let i = 0; i < CLIENT_ID_BYTES; i++) this.clientId[i] = random.below(256);
  }

  /** True when a new write would leave the window. */
  get isFull(): boolean {
    return this.lastSequence - this.answeredThrough >= this.windowMax;
  }

  /** Names the next write. */
  next(): KvRequestId {
    assert(!this.isFull, 'the window has room');
    this.lastSequence++;
    return {
      clientId: this.clientId,
      sequence: this.lastSequence,
      answeredThrough: this.answeredThrough,
    };
  }

  /** The write will not be repeated: its end was told. */
  settle(sequence: number): void {
    assert(sequence > this.answeredThrough, 'a sequence is settled once');
    this.answered[sequence % this.windowMax] = 1;
    for (;;) {
      const slot = (this.answeredThrough + 1) % this.windowMax;
      if (this.answered[slot] !== 1) return;
      this.answered[slot] = 0;
      this.answeredThrough++;
    }
  }
}
