import { NO_BYTES } from '@quorate/foundation';

const FRAME_BYTES_MIN = 512;
const TWO_POW_28 = 0x1000_0000;

/** The bytes of a varint that holds `value`, a whole number from 0 to 2^53 - 1. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** The bytes of a field (number below 16) of type varint; 0 when it is left out. */
export function uintFieldBytes(value: number): number {
  return value === 0 ? 0 : 1 + varintBytes(value);
}

/** The bytes of a field (number below 16) of type bytes; 0 when it is left out. */
export function bytesFieldBytes(value: Uint8Array): number {
  return lengthFieldBytes(value.length);
}

/** {@link bytesFieldBytes} of a value that is `length` bytes long. */
export function lengthFieldBytes(length: number): number {
  return length === 0 ? 0 : 1 + varintBytes(length) + length;
}

/**
 * Builds one frame of many small protobuf messages in one buffer. Unlike `ProtoWriter` it makes no
 * object per nested message: the caller states the length first. Field numbers are below 16.
 */
export class FrameBuilder {
  /** Bytes of the frame so far. */
  length = 0;
  private buffer = NO_BYTES;
  private lastBytes = FRAME_BYTES_MIN;

  /** Starts a nested message of `bodyBytes` bytes, of which the caller writes exactly as many. */
  message(field: number, bodyBytes: number): void {
    this.reserve(1 + varintBytes(bodyBytes) + bodyBytes);
    this.buffer[this.length++] = field * 8 + 2;
    this.varint(bodyBytes);
  }

  /** A varint field inside a started message; left out when 0. */
  uint(field: number, value: number): void {
    if (value === 0) return;
    this.buffer[this.length++] = field * 8;
    this.varint(value);
  }

  /** A bytes field inside a started message; left out when empty. */
  bytes(field: number, value: Uint8Array): void {
    if (value.length === 0) return;
    this.buffer[this.length++] = field * 8 + 2;
    this.varint(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
  }

  /**
   * A bytes field of `length` bytes inside a started message, to be filled by `fill`, which is told
   * the buffer and where to begin. Left out when empty.
   */
  filled(field: number, length: number, fill: (target: Uint8Array, offset: number) => void): void {
    if (length === 0) return;
    this.buffer[this.length++] = field * 8 + 2;
    this.varint(length);
    fill(this.buffer, this.length);
    this.length += length;
  }

  /** The frame; the builder is empty afterwards and starts a new buffer. */
  take(): Uint8Array {
    const frame = this.buffer.subarray(0, this.length);
    this.lastBytes = Math.max(FRAME_BYTES_MIN, this.length);
    this.buffer = NO_BYTES;
    this.length = 0;
    return frame;
  }

  private reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.buffer.length) return;
    // The first buffer is a little larger than the last frame; frames of one load are alike.
    const size = Math.max(needed, Math.floor(this.lastBytes * 1.25), 2 * this.buffer.length);
    const grown = new Uint8Array(size);
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }

  private varint(value: number): void {
    let rest = value;
    while (rest >= TWO_POW_28) {
      this.buffer[this.length++] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 0x80) {
      this.buffer[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.length++] = rest;
  }
}
