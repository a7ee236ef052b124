import { assert } from './assert.ts';
import { byteCount, concatBytes } from './bytes.ts';

/** Raised by {@link ProtoReader} on malformed bytes; decoders turn it into null. */
export class MalformedBytes extends Error {
  override readonly name = 'MalformedBytes';
}

/** Byte strings at least this long are referred to, not copied, by {@link ProtoWriter}. */
const REFERENCED_BYTES_MIN = 1024;
const CHUNK_BYTES = 512;
/** Writers share an allocation of this size: most messages are far below {@link CHUNK_BYTES}. */
const SLAB_BYTES = 8192;
const SHARED_BYTES_MAX = 1024;
const VARINT_BYTES_MAX = 8; // 2^53 - 1 takes 8 groups of 7 bits.
const TWO_POW_28 = 0x1000_0000;

/**
 * Writes one protobuf message (proto3 wire format, fields of kinds varint and length-delimited).
 * `finish` gives the parts for one gathering write: long byte strings stand in them uncopied, so
 * the caller must not change them afterwards. Zero and empty fields are left out, as proto3 does.
 *
 * Short messages are views of one slab: an array buffer a message lies outside the heap and costs
 * an allocation and the collector's book-keeping. So a message that is kept keeps up to
 * 8192 bytes alive.
 */
export class ProtoWriter {
  private chunk: Uint8Array;
  private used = 0;
  private start = 0;
  /** Where this writer's part of the chunk ends, and how long the part is. */
  private end: number;
  private size: number;
  private readonly parts: Uint8Array[] = [];

  /** `bytesExpected` sizes the first buffer; a good guess saves a copy. */
  constructor(bytesExpected = CHUNK_BYTES) {
    this.size = bytesExpected;
    this.end = bytesExpected;
    if (bytesExpected > SHARED_BYTES_MAX) {
      this.chunk = new Uint8Array(bytesExpected);
      return;
    }
    if (slabUsed + bytesExpected > slab.length) {
      slab = new Uint8Array(SLAB_BYTES);
      slabUsed = 0;
    }
    this.chunk = slab;
    this.used = slabUsed;
    this.start = slabUsed;
    slabUsed += bytesExpected;
    this.end = slabUsed;
  }

  /** A field of type uint32, uint64, bool (as 0 or 1) or enum: a whole number below 2^53. */
  uint(field: number, value: number): this {
    if (value === 0) return this;
    return this.always(field, value);
  }

  /** Like {@link uint}, but writes a zero too: for repeated fields, whose elements count. */
  always(field: number, value: number): this {
    this.reserve(2 * VARINT_BYTES_MAX);
    this.varint(field * 8);
    this.varint(value);
    return this;
  }

  /** A field of type bool. */
  bool(field: number, value: boolean): this {
    return this.uint(field, value ? 1 : 0);
  }

  /** A field of type bytes; left out when empty. */
  bytes(field: number, value: Uint8Array): this {
    if (value.length === 0) return this;
    return this.element(field, value);
  }

  /** A field of type string, in UTF-8; left out when empty. */
  text(field: number, value: string): this {
    return this.bytes(field, TEXT_ENCODER.encode(value));
  }

  /** One element of a repeated bytes field; written also when empty. */
  element(field: number, value: Uint8Array): this {
    this.header(field, value.length);
    this.raw(value);
    return this;
  }

  /** A nested message, given as finished parts of another writer; written also when empty. */
  message(field: number, body: readonly Uint8Array[]): this {
    this.header(field, byteCount(body));
    for (const part of body) this.raw(part);
    return this;
  }

  /** Ends the message and returns its bytes as parts; the writer is spent. */
  finish(): Uint8Array[] {
    this.flush();
    // What it did not use goes to the next writer, unless another one began meanwhile.
    if (this.chunk === slab && slabUsed === this.end) slabUsed = this.used;
    this.end = this.used;
    return this.parts;
  }

  /** Ends the message and returns its bytes as one array; the writer is spent. */
  whole(): Uint8Array {
    return concatBytes(this.finish());
  }

  private header(field: number, length: number): void {
    this.reserve(2 * VARINT_BYTES_MAX);
    this.varint(field * 8 + 2);
    this.varint(length);
  }

  private raw(value: Uint8Array): void {
    if (value.length >= REFERENCED_BYTES_MIN) {
      this.flush();
      this.parts.push(value);
      return;
    }
    this.reserve(value.length);
    this.chunk.set(value, this.used);
    this.used += value.length;
  }

  private reserve(bytes: number): void {
    if (this.used + bytes <= this.end) return;
    this.flush();
    this.size = Math.max(2 * this.size, bytes);
    this.chunk = new Uint8Array(this.size);
    this.end = this.size;
    this.used = 0;
    this.start = 0;
  }

  private flush(): void {
    if (this.used > this.start) this.parts.push(this.chunk.subarray(this.start, this.used));
    this.start = this.used;
  }

  private varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'a varint holds 0 to 2^53 - 1');
    let rest = value;
    while (rest >= TWO_POW_28) {
      this.chunk[this.used++] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 0x80) {
      this.chunk[this.used++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.chunk[this.used++] = rest;
  }
}

/**
 * Reads one protobuf message: `while (reader.next()) switch (reader.field) ...`, calling exactly
 * one of `uint`, `bytes` or `skip` for each field. Throws {@link MalformedBytes} on bytes that no
 * writer makes. Byte strings are views into the input.
 */
export class ProtoReader {
  /** The number of the field that `next` found. */
  field = 0;
  /** Where the bytes that `passBytes` passed over begin in the input. */
  bytesStart = 0;
  private wireType = 0;
  private offset: number;
  private end: number;
  private input: Uint8Array;

  constructor(input: Uint8Array, start = 0, end = input.length) {
    this.input = input;
    this.offset = start;
    this.end = end;
  }

  /** Turns to another message, so that one reader serves many small ones. */
  reset(input: Uint8Array, start: number, end: number): void {
    this.input = input;
    this.offset = start;
    this.end = end;
  }

  /** Moves to the next field; false at the end. */
  next(): boolean {
    if (this.offset >= this.end) return false;
    const tag = this.varint();
    // All tags in use take one byte; the division is for the few that do not.
    this.field = tag < 0x80 ? tag >> 3 : Math.floor(tag / 8);
    this.wireType = tag & 7;
    if (this.field === 0) throw new MalformedBytes('field number 0');
    return true;
  }

  /** The current varint field: a whole number below 2^53. */
  uint(): number {
    if (this.wireType !== 0) throw new MalformedBytes('not a varint field');
    return this.varint();
  }

  /** The current field as a truth value. */
  bool(): boolean {
    return this.uint() !== 0;
  }

  /** The current length-delimited field as a view. */
  bytes(): Uint8Array {
    const length = this.passBytes();
    return this.input.subarray(this.bytesStart, this.bytesStart + length);
  }

  /**
   * Passes over the current length-delimited field; returns its length and leaves its place in
   * `bytesStart`. For hot paths: a view costs more than reading a short field in place.
   */
  passBytes(): number {
    if (this.wireType !== 2) throw new MalformedBytes('not a length-delimited field');
    const length = this.varint();
    if (length > this.end - this.offset) throw new MalformedBytes('length beyond the end');
    this.bytesStart = this.offset;
    this.offset += length;
    return length;
  }

  /** The current field as UTF-8 text; throws on invalid UTF-8. */
  text(): string {
    try {
      return TEXT_DECODER.decode(this.bytes());
    } catch (error) {
      if (error instanceof MalformedBytes) throw error;
      throw new MalformedBytes('invalid UTF-8');
    }
  }

  /** The current field as a nested message. */
  message(): ProtoReader {
    const length = this.passBytes();
    return new ProtoReader(this.input, this.bytesStart, this.bytesStart + length);
  }

  /** Passes over a field that this version does not know. */
  skip(): void {
    if (this.wireType === 0) this.varint();
    else if (this.wireType === 2) this.passBytes();
    else if (this.wireType === 1) this.advance(8);
    else if (this.wireType === 5) this.advance(4);
    else throw new MalformedBytes(`wire type ${this.wireType}`);
  }

  private advance(bytes: number): void {
    if (bytes > this.end - this.offset) throw new MalformedBytes('field beyond the end');
    this.offset += bytes;
  }

  private varint(): number {
    if (this.offset < this.end) {
      const first = this.input[this.offset] as number;
      if (first < 0x80) {
        this.offset++;
        return first;
      }
    }
    return this.longVarint();
  }

  private longVarint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      if (this.offset >= this.end) throw new MalformedBytes('varint beyond the end');
      const byte = this.input[this.offset++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw new MalformedBytes('varint above 2^53');
        return value;
      }
      scale *= 128;
    }
    throw new MalformedBytes('varint above 2^53');
  }
}

let slab = new Uint8Array(0);
let slabUsed = 0;
const TEXT_ENCODER = new TextEncoder();
const TEXT_DECODER = new TextDecoder('utf-8', { fatal: true });
