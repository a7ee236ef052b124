import { concatBytes, MalformedBytes, NO_BYTES, ProtoReader } from '@quorate/foundation';
import { CLIENT_ID_BYTES } from './command-scan.ts';
import { EntryTable } from './entry-table.ts';
import { latin1FromBytes } from './latin1.ts';
import { decodeResult } from './result.ts';
import { type KvSessionLimits, type SessionResult, SessionTable } from './sessions.ts';
import { SNAPSHOT_FORMAT_VERSION } from './snapshot-writer.ts';
import { ValueSlabs } from './value-slabs.ts';

/** The longest field of a snapshot: bounds what damaged bytes can make a replica collect. */
const FIELD_BYTES_MAX = 64 * 1024 * 1024;

/** A whole state, as it came out of a snapshot. */
export interface RestoredState {
  readonly appliedIndex: number;
  readonly revision: number;
  readonly entries: EntryTable;
  readonly sessions: SessionTable;
}

/**
 * Builds a state from the slices of a snapshot, wherever the slices are cut. It trusts nothing: a
 * field out of order, a double key, a revision above the header's, a count that does not match the
 * footer or anything behind it raises `MalformedBytes`.
 */
export class SnapshotRestorer {
  private readonly entries = new EntryTable();
  private readonly sessions: SessionTable;
  private readonly values = new ValueSlabs();
  private pending: Uint8Array = NO_BYTES;
  private appliedIndex = 0;
  private revision = 0;
  private lastField = 0;
  private ended = false;

  constructor(limits: KvSessionLimits) {
    this.sessions = new SessionTable(limits);
  }

  /** Takes the next slice. */
  take(slice: Uint8Array): void {
    const bytes = this.pending.length === 0 ? slice : concatBytes([this.pending, slice]);
    let at = 0;
    for (;;) {
      const field = fieldAt(bytes, at);
      if (field === null) break;
      this.field(field.number, new ProtoReader(bytes, field.start, field.end));
      at = field.end;
    }
    this.pending = new Uint8Array(bytes.subarray(at)); // A copy: slices may be reused.
  }

  /** Ends the snapshot and gives the state. */
  finish(): RestoredState {
    if (!this.ended) throw new MalformedBytes('a snapshot without its footer');
    if (this.pending.length > 0) throw new MalformedBytes('bytes behind the footer of a snapshot');
    const { appliedIndex, revision, entries, sessions } = this;
    return { appliedIndex, revision, entries, sessions };
  }

  private field(number: number, body: ProtoReader): void {
    if (this.ended) throw new MalformedBytes('bytes behind the footer of a snapshot');
    if (number < this.lastField || (this.lastField === 0) !== (number === 1)) {
      throw new MalformedBytes(`field ${number} of a snapshot is out of order`);
    }
    this.lastField = number;
    if (number === 1) this.header(body);
    else if (number === 2) this.entry(body);
    else if (number === 3) this.session(body);
    else if (number === 4) this.footer(body);
    else throw new MalformedBytes(`field ${number} of a snapshot is unknown`);
  }

  private header(body: ProtoReader): void {
    const values = [0, 0, 0, 0, 0, 0];
    while (body.next()) {
      if (body.field > 5) throw new MalformedBytes('an unknown field in a snapshot header');
      values[body.field] = body.uint();
    }
    if (values[1] !== SNAPSHOT_FORMAT_VERSION) {
      throw new MalformedBytes(`snapshot format ${values[1]} is unknown`);
    }
    this.appliedIndex = values[2] ?? 0;
    this.revision = values[3] ?? 0;
    const { sessionsMax, resultsPerSessionMax } = this.sessions.limits;
    if (values[4] !== sessionsMax || values[5] !== resultsPerSessionMax) {
      throw new MalformedBytes('the snapshot was made with other session limits');
    }
  }

  private entry(body: ProtoReader): void {
    let key = NO_BYTES;
    let value = NO_BYTES;
    let revision = 0;
    while (body.next()) {
      if (body.field === 1) key = body.bytes();
      else if (body.field === 2) value = body.bytes();
      else if (body.field === 3) revision = body.uint();
      else throw new MalformedBytes('an unknown field in a snapshot entry');
    }
    const name = latin1FromBytes(key);
    if (name.length === 0) throw new MalformedBytes('an entry without a key');
    if (this.entries.get(name) !== undefined) throw new MalformedBytes('a key stands twice');
    if (revision === 0 || revision > this.revision) {
      throw new MalformedBytes(`an entry has revision ${revision} of ${this.revision}`);
    }
    this.entries.set(name, this.values.keep(value), revision, undefined);
  }

  private session(body: ProtoReader): void {
    let clientId = NO_BYTES;
    let forgottenThrough = 0;
    const results: SessionResult[] = [];
    while (body.next()) {
      if (body.field === 1) clientId = body.bytes();
      else if (body.field === 2) forgottenThrough = body.uint();
      else if (body.field === 3) results.push(sessionResult(body.message()));
      else throw new MalformedBytes('an unknown field in a snapshot session');
    }
    if (clientId.length !== CLIENT_ID_BYTES) throw new MalformedBytes('a client id has 16 bytes');
    const client = latin1FromBytes(clientId);
    if (!this.sessions.restore({ client, forgottenThrough, results })) {
      throw new MalformedBytes('a session stands twice or is beyond its limits');
    }
  }

  private footer(body: ProtoReader): void {
    let entries = 0;
    let sessions = 0;
    while (body.next()) {
      if (body.field === 1) entries = body.uint();
      else if (body.field === 2) sessions = body.uint();
      else throw new MalformedBytes('an unknown field in a snapshot footer');
    }
    if (entries !== this.entries.size || sessions !== this.sessions.size) {
      throw new MalformedBytes('the footer counts other entries or sessions');
    }
    this.ended = true;
  }
}

function sessionResult(body: ProtoReader): SessionResult {
  let sequence = 0;
  let fingerprint = 0;
  let result = NO_BYTES;
  while (body.next()) {
    if (body.field === 1) sequence = body.uint();
    else if (body.field === 2) fingerprint = body.uint();
    else if (body.field === 3) result = body.bytes();
    else throw new MalformedBytes('an unknown field in a session result');
  }
  if (sequence === 0) throw new MalformedBytes('sequences start at 1');
  return { sequence, fingerprint, result: decodeResult(result) };
}

/** The length-delimited field that starts at `at`, or null when it is not whole yet. */
function fieldAt(
  bytes: Uint8Array,
  at: number,
): { readonly number: number; readonly start: number; readonly end: number } | null {
  const tag = bytes[at];
  if (tag === undefined) return null;
  if (tag % 8 !== 2 || tag >= 0x80) throw new MalformedBytes('a snapshot has other fields');
  let length = 0;
  let scale = 1;
  for (let offset = at + 1; offset < bytes.length; offset++) {
    const byte = bytes[offset] as number;
    length += (byte & 0x7f) * scale;
    scale *= 128;
    if (length > FIELD_BYTES_MAX) throw new MalformedBytes('a snapshot field is too long');
    if (byte >= 0x80) continue;
    const end = offset + 1 + length;
    return end > bytes.length ? null : { number: tag >>> 3, start: offset + 1, end };
  }
  if (bytes.length - at > 8) throw new MalformedBytes('a snapshot field without a length');
  return null;
}
