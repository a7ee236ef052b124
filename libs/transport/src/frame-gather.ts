import { NO_BYTES, writeUint32 } from '@quorate/foundation';

/** Bytes of the length that stands before each frame on a byte stream. */
export const FRAME_HEADER_BYTES = 4;

/** Parts at least this long are referred to; shorter ones are copied into a chunk. */
const REFERENCED_BYTES_MIN = 2048;
const CHUNK_BYTES = 16_384;

/**
 * Collects frames for one gathering write. Each frame is a 4-byte little-endian length and the
 * frame's bytes. Short parts are copied together, because a vector of many tiny buffers costs the
 * system call more than the copy; long ones stand uncopied.
 */
export class FrameGather {
  /** Bytes collected since the last `take`, lengths included. */
  queuedBytes = 0;
  private vector: Uint8Array[] = [];
  private chunk = NO_BYTES;
  private start = 0;
  private used = 0;

  /** Adds one frame whose parts hold `frameBytes` bytes in all. */
  add(parts: readonly Uint8Array[], frameBytes: number): void {
    this.reserve(FRAME_HEADER_BYTES);
    writeUint32(this.chunk, this.used, frameBytes);
    this.used += FRAME_HEADER_BYTES;
    for (const part of parts) {
      if (part.length >= REFERENCED_BYTES_MIN) {
        this.close();
        this.vector.push(part);
        continue;
      }
      this.reserve(part.length);
      this.chunk.set(part, this.used);
      this.used += part.length;
    }
    this.queuedBytes += FRAME_HEADER_BYTES + frameBytes;
  }

  /** Everything collected, in order; the gather is empty afterwards. */
  take(): readonly Uint8Array[] {
    this.close();
    const taken = this.vector;
    this.vector = [];
    this.queuedBytes = 0;
    return taken;
  }

  private reserve(bytes: number): void {
    if (this.used + bytes <= this.chunk.length) return;
    this.close();
    this.chunk = new Uint8Array(CHUNK_BYTES);
    this.start = 0;
    this.used = 0;
  }

  /** Ends the open run of copied bytes; the rest of the chunk serves later frames. */
  private close(): void {
    if (this.used > this.start) this.vector.push(this.chunk.subarray(this.start, this.used));
    this.start = this.used;
  }
}
