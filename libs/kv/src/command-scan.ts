import { MalformedBytes, NO_BYTES, ProtoReader } from '@quorate/foundation';

/** The codes of the two operations. */
export const OPERATION_PUT = 1;
/** See {@link OPERATION_PUT}. */
export const OPERATION_DELETE = 2;
/** The length of a client id in bytes: a UUID's. */
export const CLIENT_ID_BYTES = 16;

/**
 * An encoded command read in place: where its byte strings stand in `bytes`, and its numbers. One
 * object serves many commands, since each replica reads every command and a view of each byte
 * string would cost more than all the rest of its decoding.
 */
export class CommandScan {
  bytes = NO_BYTES;
  isPut = true;
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  condition: 'none' | 'revision' | 'absent' | 'value' = 'none';
  /** With the condition `revision`. */
  conditionRevision = 0;
  /** With the condition `value`. */
  expectedStart = 0;
  expectedEnd = 0;
  /** False: the command has no request id. */
  hasRequest = false;
  clientStart = 0;
  sequence = 0;
  answeredThrough = 0;
  private operation = 0;
  private clientBytes = 0;
  private readonly reader = new ProtoReader(NO_BYTES);

  /**
   * Reads the command that fills [start, end) of `bytes`. Throws `MalformedBytes` on anything that
   * `encodeCommand` does not make, an unknown field included: a replica that skipped one would
   * apply a command to half and differ from the others.
   */
  read(bytes: Uint8Array, start: number, end: number): void {
    this.clear(bytes);
    const { reader } = this;
    reader.reset(bytes, start, end);
    while (reader.next()) this.readField(reader);
    if (this.operation !== OPERATION_PUT && this.operation !== OPERATION_DELETE) {
      throw new MalformedBytes('a command without a known operation');
    }
    this.isPut = this.operation === OPERATION_PUT;
    if (this.keyEnd === this.keyStart) throw new MalformedBytes('a command without a key');
    this.checkRequest();
  }

  private clear(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.operation = 0;
    this.keyStart = 0;
    this.keyEnd = 0;
    this.valueStart = 0;
    this.valueEnd = 0;
    this.condition = 'none';
    this.clientBytes = 0;
    this.sequence = 0;
    this.answeredThrough = 0;
  }

  private readField(reader: ProtoReader): void {
    switch (reader.field) {
      case 1:
        this.operation = reader.uint();
        return;
      case 2:
        this.keyEnd = reader.passBytes() + reader.bytesStart;
        this.keyStart = reader.bytesStart;
        return;
      case 3:
        this.valueEnd = reader.passBytes() + reader.bytesStart;
        this.valueStart = reader.bytesStart;
        return;
      case 4:
        this.condition = 'revision';
        this.conditionRevision = reader.uint();
        return;
      case 5:
        this.condition = reader.bool() ? 'absent' : 'none';
        return;
      case 6:
        this.condition = 'value';
        this.expectedEnd = reader.passBytes() + reader.bytesStart;
        this.expectedStart = reader.bytesStart;
        return;
      case 7:
        this.clientBytes = reader.passBytes();
        this.clientStart = reader.bytesStart;
        return;
      case 8:
        this.sequence = reader.uint();
        return;
      case 9:
        this.answeredThrough = reader.uint();
        return;
      default:
        throw new MalformedBytes(`field ${reader.field} of a command is unknown`);
    }
  }

  private checkRequest(): void {
    this.hasRequest = this.clientBytes > 0;
    if (!this.hasRequest) {
      if (this.sequence !== 0 || this.answeredThrough !== 0) {
        throw new MalformedBytes('a sequence of no client');
      }
      return;
    }
    if (this.clientBytes !== CLIENT_ID_BYTES) throw new MalformedBytes('a client id has 16 bytes');
    if (this.sequence === 0) throw new MalformedBytes('sequences start at 1');
  }
}
