import { assert, ProtoReader } from '@quorate/foundation';
import { fieldBytes, putField, putVarint, varintBytes } from './varint.ts';

/**
 * The payload of a command entry, the protobuf message `CommandBatch`: what arrived at the leader's
 * host in one turn. The engine never looks inside; the state machine applies each command in order.
 */
export interface CommandBatch {
  /**
   * The proposer's clock when the batch was formed, in whole microseconds since the Unix epoch: the
   * only time that a state machine may use, so that all replicas see the same.
   */
  readonly proposedAtMicros: number;
  readonly commands: readonly Uint8Array[];
}

/** Encodes a batch into one byte string, the entry's payload. */
export function encodeCommandBatch(batch: CommandBatch): Uint8Array {
  const { commands, proposedAtMicros } = batch;
  let length = fieldBytes(proposedAtMicros);
  for (const command of commands) length += 1 + varintBytes(command.length) + command.length;
  const bytes = new Uint8Array(length);
  let at = putField(bytes, 0, 0x08, proposedAtMicros);
  for (const command of commands) {
    bytes[at] = 0x12;
    at = putVarint(bytes, at + 1, command.length);
    bytes.set(command, at);
    at += command.length;
  }
  assert(at === length, 'a batch is as long as was counted');
  return bytes;
}

/**
 * Decodes a batch; the commands are views into `bytes`. Throws `MalformedBytes` on bytes that
 * {@link encodeCommandBatch} does not make: a payload has passed a CRC, so that is a defect.
 */
export function decodeCommandBatch(bytes: Uint8Array): CommandBatch {
  const commands: Uint8Array[] = [];
  const proposedAtMicros = readCommandBatch(bytes, (start, end) => {
    commands.push(bytes.subarray(start, end));
  });
  return { proposedAtMicros, commands };
}

/**
 * Reads a batch in place: `take` is told where each command stands in `bytes`, in order. Returns
 * `proposedAtMicros`; throws like {@link decodeCommandBatch}. Every replica applies every command,
 * so the way there makes no object for one.
 */
export function readCommandBatch(
  bytes: Uint8Array,
  take: (start: number, end: number) => void,
): number {
  let proposedAtMicros = 0;
  const reader = new ProtoReader(bytes);
  while (reader.next()) {
    if (reader.field === 2) {
      const length = reader.passBytes();
      take(reader.bytesStart, reader.bytesStart + length);
    } else if (reader.field === 1) proposedAtMicros = reader.uint();
    else reader.skip();
  }
  return proposedAtMicros;
}
