import { nodeId } from '@quorate/consensus';
import { MalformedBytes, ProtoReader, ProtoWriter } from '@quorate/foundation';
import { TransportError, type TransportErrorCode } from './errors.ts';
import type { PeerIdentity } from './types.ts';

/**
 * The hello's field in a frame. Fields 1 to 15 belong to the engines' messages, 100 and 101 to the
 * host's snapshot chunks.
 */
export const HELLO_FIELD = 102;

/** The version of everything that frames carry; raised when an older replica could misread them. */
export const FORMAT_VERSION = 1;

/** What a hello frame says. */
export interface Hello extends PeerIdentity {
  readonly formatVersion: number;
  /** Empty, or the code of the error for which the sender refuses the session. */
  readonly refusal: string;
  readonly refusalText: string;
  /** Whom the dialing end expects to answer; 0 and empty when it does not say. */
  readonly expectedNode: number;
  readonly expectedDisk: string;
}

/** Whom a hello is for; the accepting end refuses when it is somebody else. */
export interface ExpectedPeer {
  readonly node: number;
  /** Empty while the disk is not known. */
  readonly disk: string;
}

/** Encodes a hello frame; with `refusal` it says why the session will not be. */
export function encodeHello(
  me: PeerIdentity,
  expected: ExpectedPeer | null,
  refusal: TransportError | null,
): Uint8Array {
  const body = new ProtoWriter()
    .text(1, me.clusterId)
    .uint(2, me.nodeId)
    .text(3, me.diskId)
    .text(4, me.protocol)
    .uint(5, FORMAT_VERSION)
    .text(6, refusal?.code ?? '')
    .text(7, refusal?.message ?? '')
    .uint(8, expected?.node ?? 0)
    .text(9, expected?.disk ?? '');
  return new ProtoWriter().message(HELLO_FIELD, body.finish()).whole();
}

/** Decodes a hello frame; null when the bytes are anything else. */
export function decodeHello(frame: Uint8Array): Hello | null {
  try {
    const reader = new ProtoReader(frame);
    if (!reader.next() || reader.field !== HELLO_FIELD) return null;
    return decodeBody(reader.message());
  } catch (error) {
    if (error instanceof MalformedBytes) return null;
    throw error;
  }
}

function decodeBody(reader: ProtoReader): Hello {
  const texts: string[] = new Array<string>(10).fill('');
  let id = 0;
  let expectedNode = 0;
  let formatVersion = 0;
  while (reader.next()) {
    if (reader.field === 2) id = reader.uint();
    else if (reader.field === 5) formatVersion = reader.uint();
    else if (reader.field === 8) expectedNode = reader.uint();
    else if (reader.field <= 9) texts[reader.field] = reader.text();
    else reader.skip();
  }
  return {
    clusterId: texts[1] ?? '',
    nodeId: nodeId(id),
    diskId: texts[3] ?? '',
    protocol: texts[4] ?? '',
    formatVersion,
    refusal: texts[6] ?? '',
    refusalText: texts[7] ?? '',
    expectedNode,
    expectedDisk: texts[9] ?? '',
  };
}

/**
 * Judges a hello by what this replica is; null when it may be a peer, else why not. Whether the
 * node id and its disk are known is for the caller to judge, who holds the membership.
 */
export function judgeHello(me: PeerIdentity, hello: Hello): TransportError | null {
  const refuse = (code: TransportErrorCode, text: string): TransportError =>
    new TransportError(code, text);
  if (hello.formatVersion !== FORMAT_VERSION) {
    const text = `format version ${hello.formatVersion}, this replica has ${FORMAT_VERSION}`;
    return refuse('TRANSPORT_ERR_FORMAT_VERSION', text);
  }
  if (hello.clusterId !== me.clusterId) {
    const text = `cluster "${hello.clusterId}", this replica is of "${me.clusterId}"`;
    return refuse('TRANSPORT_ERR_FOREIGN_CLUSTER', text);
  }
  if (hello.protocol !== me.protocol) {
    const text = `protocol "${hello.protocol}", this replica runs "${me.protocol}"`;
    return refuse('TRANSPORT_ERR_FOREIGN_PROTOCOL', text);
  }
  return judgeExpectation(me, hello);
}

function judgeExpectation(me: PeerIdentity, hello: Hello): TransportError | null {
  if (hello.expectedNode !== 0 && hello.expectedNode !== me.nodeId) {
    const text = `node ${hello.expectedNode} is expected here, this is node ${me.nodeId}`;
    return new TransportError('TRANSPORT_ERR_UNKNOWN_NODE', text);
  }
  if (hello.expectedDisk !== '' && hello.expectedDisk !== me.diskId) {
    const text = `node ${me.nodeId} has disk "${me.diskId}" instead of "${hello.expectedDisk}"`;
    return new TransportError('TRANSPORT_ERR_FOREIGN_DISK', text);
  }
  return null;
}
