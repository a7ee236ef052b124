import crypto from 'node:crypto';
import type { Digest } from './types.ts';

/** SHA-256 by `node:crypto`. */
export function nodeDigest(): Digest {
  const hash = crypto.createHash('sha256');
  return {
    update: (bytes) => void hash.update(bytes),
    finishHex: () => hash.digest('hex'),
  };
}
