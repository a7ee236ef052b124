export { assert, InvariantViolation, required, unreachable } from './assert.ts';
export { BoundedQueue } from './bounded-queue.ts';
export {
  byteCount,
  compareBytes,
  concatBytes,
  equalBytes,
  NO_BYTES,
  readUint32,
  readUint64,
  writeUint32,
  writeUint64,
} from './bytes.ts';
export { type Crc32, crc32Table } from './crc32.ts';
export { MalformedBytes, ProtoReader, ProtoWriter } from './protobuf.ts';
export { createRandom, type Random } from './random.ts';
