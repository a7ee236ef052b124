import type { MessageCodec, NodeId } from '@quorate/consensus';
import { MalformedBytes, ProtoReader } from '@quorate/foundation';

/** Engines' frames start with a field of 1 to 15, one byte; hosts' own with 100 or above, two. */
const TWO_BYTE_FIELD = 0x80;
/** The host frame that carries a part of a snapshot, and its field with the bytes. */
const CHUNK_FIELD = 100;
const DATA_FIELD = 4;
/** One damaged frame in so many is cut short instead of having a bit flipped. */
const SHORTENED_ONE_IN = 4;

/**
 * What became of a frame on its way. `found`: the production decoder, or the digest of a snapshot,
 * can tell the damage, so the replica gets the frame. `hidden`: nothing above the network can, as
 * frames have no checksum of their own; those of TCP and UDP do, so the frame never arrives.
 */
export interface DamagedFrame {
  readonly damage: 'found' | 'foundInChunk' | 'hidden';
  readonly bytes: Uint8Array;
}

/** Damages single frames between replicas: the next one from one node to another, when armed. */
export class FrameGarbler {
  private readonly codec: MessageCodec<unknown>;
  private readonly armed = new Map<string, number>();
  /** Damages the next part of any snapshot, as these bits say. */
  private chunkBits: number | null = null;

  constructor(codec: MessageCodec<unknown>) {
    this.codec = codec;
  }

  /** The next frame from one node to another is damaged, as `bits` says. */
  arm(from: NodeId, to: NodeId, bits: number): void {
    this.armed.set(`${from}>${to}`, bits);
  }

  /** The next part of a snapshot, from whomever to whomever, is damaged, as `bits` says. */
  armChunk(bits: number): void {
    this.chunkBits = bits;
  }

  /** What was armed and has not met a frame yet never will. */
  disarm(): void {
    this.armed.clear();
    this.chunkBits = null;
  }

  /** Damages a frame that arrives, or leaves it alone (null). */
  arrives(from: NodeId, to: NodeId, bytes: Uint8Array): DamagedFrame | null {
    if (bytes.length === 0) return null;
    const ofEngine = (bytes[0] as number) < TWO_BYTE_FIELD;
    if (this.chunkBits !== null && !ofEngine) {
      const chunk = damagedChunk(bytes, this.chunkBits);
      if (chunk.damage === 'foundInChunk') {
        this.chunkBits = null;
        return chunk;
      }
    }
    if (this.armed.size === 0) return null;
    const key = `${from}>${to}`;
    const bits = this.armed.get(key);
    if (bits === undefined) return null;
    this.armed.delete(key);
    if (!ofEngine) return damagedChunk(bytes, bits);
    const damaged = bits % SHORTENED_ONE_IN === 0 ? shortened(bytes, bits) : flipped(bytes, bits);
    const damage = this.codec.decode(damaged) === null ? 'found' : 'hidden';
    return { damage, bytes: damaged };
  }
}

function shortened(bytes: Uint8Array, bits: number): Uint8Array {
  return bytes.slice(0, (bits >>> 2) % bytes.length);
}

function flipped(bytes: Uint8Array, bits: number): Uint8Array {
  const damaged = bytes.slice();
  const place = (bits >>> 3) % bytes.length;
  damaged[place] = (damaged[place] as number) ^ (1 << (bits & 7));
  return damaged;
}

/** A bit of a snapshot's content; anything else in a host's frame is hidden damage. */
function damagedChunk(bytes: Uint8Array, bits: number): DamagedFrame {
  const data = chunkData(bytes);
  if (data === null || data.length === 0) return { damage: 'hidden', bytes };
  const start = data.byteOffset - bytes.byteOffset;
  const damaged = bytes.slice();
  damaged.set(flipped(data, bits), start);
  return { damage: 'foundInChunk', bytes: damaged };
}

function chunkData(bytes: Uint8Array): Uint8Array | null {
  try {
    const reader = new ProtoReader(bytes);
    if (!reader.next() || reader.field !== CHUNK_FIELD) return null;
    const body = reader.message();
    let data: Uint8Array | null = null;
    while (body.next()) {
      if (body.field === DATA_FIELD) data = body.bytes();
      else body.skip();
    }
    return data;
  } catch (error) {
    if (error instanceof MalformedBytes) return null;
    throw error;
  }
}
