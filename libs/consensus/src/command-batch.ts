import { ProtoReader, ProtoWriter } from '@quorate/foundation';

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
  let bytes = 12;
  for (const command of batch.commands) bytes += command.length + 6;
  const writer = new ProtoWriter(bytes);
  writer.uint(1, batch.proposedAtMicros);
  for (const command of batch.commands) writer.element(2, command);
  return writer.whole();
}

/**
 * Decodes a batch; the commands are views into `bytes`. Throws `MalformedBytes` on bytes that
 * {@link encodeCommandBatch} does not make: a payload has passed a CRC, so that is a defect.
 */
export function decodeCommandBatch(bytes: Uint8Array): CommandBatch {
  const commands: Uint8Array[] = [];
  let proposedAtMicros = 0;
  const reader = new ProtoReader(bytes);
  while (reader.next()) {
    if (reader.field === 2) commands.push(reader.bytes());
    else if (reader.field === 1) proposedAtMicros = reader.uint();
    else reader.skip();
  }
  return { proposedAtMicros, commands };
}
