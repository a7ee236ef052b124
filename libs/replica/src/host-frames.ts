import { decodeSnapshotMeta, encodeSnapshotMeta, type SnapshotMeta } from '@quorate/consensus';
import { MalformedBytes, NO_BYTES, ProtoReader, ProtoWriter } from '@quorate/foundation';

/** The first field number of a host's own frame; engines use 1 to 15. */
export const HOST_FIELD_MIN = 100;
const CHUNK_FIELD = 100;
const ACK_FIELD = 101;

/** Part of a snapshot file, the message `quorate.replica.v1.SnapshotChunk`. */
export interface SnapshotChunkFrame {
  readonly kind: 'chunk';
  /** The sender's number of this transfer. */
  readonly transfer: number;
  readonly meta: SnapshotMeta;
  readonly offset: number;
  readonly data: Uint8Array;
}

/** What the receiver makes of a transfer. */
export type SnapshotAckState = 'continue' | 'complete' | 'refused';

/** The answer to each chunk, the message `quorate.replica.v1.SnapshotAck`. */
export interface SnapshotAckFrame {
  readonly kind: 'ack';
  readonly transfer: number;
  /** Where the next chunk must start. */
  readonly nextOffset: number;
  readonly state: SnapshotAckState;
}

/** A frame between hosts; no engine sees it. */
export type HostFrame = SnapshotChunkFrame | SnapshotAckFrame;

const ACK_STATES: readonly SnapshotAckState[] = ['continue', 'complete', 'refused'];

/** The number of the first field of a frame, or 0 when it has none. */
export function firstField(frame: Uint8Array): number {
  const low = frame[0];
  if (low === undefined) return 0;
  if (low < 0x80) return low >>> 3;
  const high = frame[1];
  return high === undefined || high >= 0x80 ? 0 : ((low & 0x7f) | (high << 7)) >>> 3;
}

/** Encodes a host frame as parts for one gathering write. */
export function encodeHostFrame(frame: HostFrame): Uint8Array[] {
  if (frame.kind === 'ack') {
    const body = new ProtoWriter(64)
      .uint(1, frame.transfer)
      .uint(2, frame.nextOffset)
      .uint(3, ACK_STATES.indexOf(frame.state) + 1);
    return new ProtoWriter(96).message(ACK_FIELD, body.finish()).finish();
  }
  const body = new ProtoWriter()
    .uint(1, frame.transfer)
    .bytes(2, encodeSnapshotMeta(frame.meta))
    .uint(3, frame.offset)
    .bytes(4, frame.data);
  return new ProtoWriter().message(CHUNK_FIELD, body.finish()).finish();
}

/** Decodes a host frame; null on malformed bytes, which change nothing. */
export function decodeHostFrame(bytes: Uint8Array): HostFrame | null {
  try {
    const reader = new ProtoReader(bytes);
    if (!reader.next()) return null;
    if (reader.field === CHUNK_FIELD) return decodeChunk(reader.message());
    if (reader.field === ACK_FIELD) return decodeAck(reader.message());
    return null;
  } catch (error) {
    if (error instanceof MalformedBytes) return null;
    throw error;
  }
}

function decodeChunk(body: ProtoReader): SnapshotChunkFrame | null {
  let transfer = 0;
  let meta: SnapshotMeta | null = null;
  let offset = 0;
  let data = NO_BYTES;
  while (body.next()) {
    if (body.field === 1) transfer = body.uint();
    else if (body.field === 2) meta = decodeSnapshotMeta(body.bytes());
    else if (body.field === 3) offset = body.uint();
    else if (body.field === 4) data = body.bytes();
    else body.skip();
  }
  if (meta === null || meta.index === 0 || offset + data.length > meta.bytes) return null;
  return { kind: 'chunk', transfer, meta, offset, data };
}

function decodeAck(body: ProtoReader): SnapshotAckFrame | null {
  let transfer = 0;
  let nextOffset = 0;
  let state = 0;
  while (body.next()) {
    if (body.field === 1) transfer = body.uint();
    else if (body.field === 2) nextOffset = body.uint();
    else if (body.field === 3) state = body.uint();
    else body.skip();
  }
  const name = ACK_STATES[state - 1];
  return name === undefined ? null : { kind: 'ack', transfer, nextOffset, state: name };
}
