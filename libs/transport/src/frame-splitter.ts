import { concatBytes, NO_BYTES, readUint32 } from '@quorate/foundation';
import { TransportError } from './errors.ts';
import { FRAME_HEADER_BYTES } from './frame-gather.ts';

/** A frame shorter than this share of its chunk is copied out, so as not to pin the chunk. */
const PINNING_FACTOR = 2;

/**
 * Cuts a byte stream into frames (see {@link FrameGather}). `deliver` is told each whole frame and
 * answers whether to go on; the frames may be kept for ever.
 */
export class FrameSplitter {
  private readonly frameBytesMax: number;
  private readonly deliver: (frame: Uint8Array) => boolean;
  private readonly header = new Uint8Array(FRAME_HEADER_BYTES);
  private headerBytes = 0;
  /** Bytes of the open frame still to come; -1 while its header is incomplete. */
  private missing = -1;
  private pieces: Uint8Array[] = [];

  constructor(frameBytesMax: number, deliver: (frame: Uint8Array) => boolean) {
    this.frameBytesMax = frameBytesMax;
    this.deliver = deliver;
  }

  /** Takes the next bytes of the stream; the error, if any, means that the stream is unusable. */
  push(bytes: Uint8Array): TransportError | null {
    let offset = 0;
    while (offset < bytes.length || this.missing === 0) {
      if (this.missing < 0) {
        offset = this.readHeader(bytes, offset);
        if (this.missing > this.frameBytesMax) return tooLarge(this.missing, this.frameBytesMax);
        continue;
      }
      const end = Math.min(bytes.length, offset + this.missing);
      const whole = end - offset === this.missing;
      const piece = bytes.subarray(offset, end);
      this.missing -= end - offset;
      offset = end;
      if (!whole) {
        this.pieces.push(piece);
      } else if (!this.deliver(this.assemble(piece, bytes.length))) {
        return null;
      }
    }
    return null;
  }

  /** Reads as much of a header as there is; returns the offset behind it. */
  private readHeader(bytes: Uint8Array, start: number): number {
    if (this.headerBytes === 0 && bytes.length - start >= FRAME_HEADER_BYTES) {
      this.missing = readUint32(bytes, start);
      return start + FRAME_HEADER_BYTES;
    }
    let offset = start;
    while (offset < bytes.length && this.headerBytes < FRAME_HEADER_BYTES) {
      this.header[this.headerBytes++] = bytes[offset++] as number;
    }
    if (this.headerBytes === FRAME_HEADER_BYTES) {
      this.missing = readUint32(this.header, 0);
      this.headerBytes = 0;
    }
    return offset;
  }

  private assemble(last: Uint8Array, chunkBytes: number): Uint8Array {
    this.missing = -1;
    if (this.pieces.length > 0) {
      this.pieces.push(last);
      const frame = concatBytes(this.pieces);
      this.pieces = [];
      return frame;
    }
    if (last.length === 0) return NO_BYTES;
    return ownBytes(last, chunkBytes);
  }
}

/** `bytes` itself, or a copy when it is a small part of a buffer of `sharedBytes` bytes. */
export function ownBytes(bytes: Uint8Array, sharedBytes: number): Uint8Array {
  return bytes.length * PINNING_FACTOR >= sharedBytes ? bytes : new Uint8Array(bytes);
}

/** The error of a frame beyond the limit, at either end. */
export function tooLarge(bytes: number, bytesMax: number): TransportError {
  return new TransportError(
    'TRANSPORT_ERR_FRAME_TOO_LARGE',
    `a frame of ${bytes} bytes is above the limit of ${bytesMax}`,
  );
}
