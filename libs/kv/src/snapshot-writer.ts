import type { SnapshotReader } from '@quorate/consensus';
import { assert, ProtoWriter } from '@quorate/foundation';
import type { EntryCut, KvEntry } from './entry-table.ts';
import { bytesFromLatin1 } from './latin1.ts';
import { encodeResult } from './result.ts';
import type { KvSessionLimits, SessionImage } from './sessions.ts';

/** The version in a snapshot's header; another one is refused. */
export const SNAPSHOT_FORMAT_VERSION = 1;

/** What a snapshot holds besides its entries and sessions. */
export interface SnapshotHeader {
  readonly appliedIndex: number;
  readonly revision: number;
  readonly limits: KvSessionLimits;
}

/**
 * Reads a cut as the protobuf message `quorate.kv.v1.Snapshot`, slice by slice. Each slice is a
 * number of whole fields, though no reader may rely on that.
 */
export class SnapshotWriter implements SnapshotReader {
  private readonly header: SnapshotHeader;
  private readonly cut: EntryCut;
  private readonly sessions: readonly SessionImage[];
  private stage: 'header' | 'entries' | 'sessions' | 'ended' = 'header';
  private entriesWritten = 0;
  private sessionsWritten = 0;

  constructor(header: SnapshotHeader, cut: EntryCut, sessions: readonly SessionImage[]) {
    this.header = header;
    this.cut = cut;
    this.sessions = sessions;
  }

  next(bytesMax: number): Uint8Array | null {
    assert(bytesMax > 0, 'a slice holds a byte');
    if (this.stage === 'ended') return null;
    const slice = new ProtoWriter(4096);
    let bytes = 0;
    if (this.stage === 'header') {
      slice.message(1, headerBody(this.header));
      this.stage = 'entries';
    }
    while (this.stage === 'entries' && bytes < bytesMax) {
      const entry = this.cut.next();
      if (entry === null) {
        this.stage = 'sessions';
        break;
      }
      slice.message(2, entryBody(entry));
      bytes += entry.key.length + entry.value.length + 20;
      this.entriesWritten++;
    }
    while (this.stage === 'sessions' && bytes < bytesMax) bytes += this.writeSession(slice);
    return slice.whole();
  }

  close(): void {
    this.stage = 'ended';
    this.cut.close();
  }

  private writeSession(slice: ProtoWriter): number {
    const session = this.sessions[this.sessionsWritten];
    if (session !== undefined) {
      slice.message(3, sessionBody(session));
      this.sessionsWritten++;
      return 32 + 32 * session.results.length;
    }
    const footer = new ProtoWriter(40).uint(1, this.entriesWritten).uint(2, this.sessionsWritten);
    slice.message(4, footer.finish());
    this.close();
    return 0;
  }
}

function headerBody(header: SnapshotHeader): Uint8Array[] {
  return new ProtoWriter(128)
    .uint(1, SNAPSHOT_FORMAT_VERSION)
    .uint(2, header.appliedIndex)
    .uint(3, header.revision)
    .uint(4, header.limits.sessionsMax)
    .uint(5, header.limits.resultsPerSessionMax)
    .finish();
}

function entryBody(entry: KvEntry): Uint8Array[] {
  return new ProtoWriter(entry.key.length + Math.min(entry.value.length, 1024) + 64)
    .bytes(1, bytesFromLatin1(entry.key))
    .bytes(2, entry.value)
    .uint(3, entry.revision)
    .finish();
}

function sessionBody(session: SessionImage): Uint8Array[] {
  const body = new ProtoWriter().bytes(1, bytesFromLatin1(session.client));
  body.uint(2, session.forgottenThrough);
  for (const { sequence, fingerprint, result } of session.results) {
    const one = new ProtoWriter(128).uint(1, sequence).uint(2, fingerprint);
    body.message(3, one.bytes(3, encodeResult(result)).finish());
  }
  return body.finish();
}
