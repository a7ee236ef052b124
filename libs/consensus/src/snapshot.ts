import { MalformedBytes, NO_BYTES, ProtoReader, ProtoWriter } from '@quorate/foundation';
import { type LogIndex, logIndex, type NodeId, nodeId } from './ids.ts';
import type { Member, Membership } from './membership.ts';

/** What the engine knows of a snapshot at an index, before its file exists. */
export interface SnapshotDescription {
  /** The last entry that the snapshot covers. */
  readonly index: LogIndex;
  readonly membership: Membership;
  /** The engine's own words: identity of the last entry and whatever else it must not forget. */
  readonly engine: Uint8Array;
}

/** A complete snapshot. `digest` is the SHA-256 of its file in hex, `bytes` the file's length. */
export interface SnapshotMeta extends SnapshotDescription {
  readonly digest: string;
  readonly bytes: number;
}

/** Encodes a membership as the protobuf message `Membership`. */
export function encodeMembership(membership: Membership): Uint8Array {
  const writer = new ProtoWriter();
  const put = (field: number, members: readonly Member[]): void => {
    for (const member of members) {
      const body = new ProtoWriter()
        .uint(1, member.id)
        .text(2, member.disk)
        .text(3, member.address);
      writer.message(field, body.finish());
    }
  };
  put(1, membership.voters);
  put(2, membership.learners);
  put(3, membership.witnesses);
  return writer.whole();
}

/** Decodes what {@link encodeMembership} made; throws `MalformedBytes` on anything else. */
export function decodeMembership(bytes: Uint8Array): Membership {
  const voters: Member[] = [];
  const learners: Member[] = [];
  const witnesses: Member[] = [];
  const reader = new ProtoReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) voters.push(decodeMember(reader.message()));
    else if (reader.field === 2) learners.push(decodeMember(reader.message()));
    else if (reader.field === 3) witnesses.push(decodeMember(reader.message()));
    else reader.skip();
  }
  return { voters, learners, witnesses };
}

function decodeMember(reader: ProtoReader): Member {
  let id = 0;
  let disk = '';
  let address = '';
  while (reader.next()) {
    if (reader.field === 1) id = reader.uint();
    else if (reader.field === 2) disk = reader.text();
    else if (reader.field === 3) address = reader.text();
    else reader.skip();
  }
  if (id === 0) throw new MalformedBytes('a member without an id');
  return { id: nodeId(id) as NodeId, disk, address };
}

/** Encodes a snapshot's meta as the protobuf `SnapshotMeta`: a snapshot record's payload. */
export function encodeSnapshotMeta(meta: SnapshotMeta): Uint8Array {
  return new ProtoWriter()
    .uint(1, meta.index)
    .bytes(2, encodeMembership(meta.membership))
    .text(3, meta.digest)
    .uint(4, meta.bytes)
    .bytes(5, meta.engine)
    .whole();
}

/** Decodes a snapshot's meta; throws `MalformedBytes` on bytes that no encoder makes. */
export function decodeSnapshotMeta(bytes: Uint8Array): SnapshotMeta {
  let index = 0;
  let membership: Membership = { voters: [], learners: [], witnesses: [] };
  let digest = '';
  let length = 0;
  let engine = NO_BYTES;
  const reader = new ProtoReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) index = reader.uint();
    else if (reader.field === 2) membership = decodeMembership(reader.bytes());
    else if (reader.field === 3) digest = reader.text();
    else if (reader.field === 4) length = reader.uint();
    else if (reader.field === 5) engine = reader.bytes();
    else reader.skip();
  }
  return { index: logIndex(index), membership, digest, bytes: length, engine };
}
