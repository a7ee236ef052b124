import { MalformedBytes } from '@quorate/foundation';
import {
  checkEncodedCommand as checkEncoded,
  type KvCommandFault,
  type KvLimits,
} from '@quorate/kv';

/** The bounds of keys and values at this server's doors. */
export type KeyValueLimits = KvLimits;

/** Why a command is refused at the door. */
export interface CommandFault {
  readonly code: KvCommandFault | 'bad_request';
  readonly message: string;
}

/** Checks a command that came over the stream port; null when it may be proposed. */
export function checkEncodedCommand(
  bytes: Uint8Array,
  limits: KeyValueLimits,
): CommandFault | null {
  try {
    const code = checkEncoded(bytes, limits);
    return code === null ? null : { code, message: describeFault(code, limits) };
  } catch (error) {
    if (error instanceof MalformedBytes) return { code: 'bad_request', message: error.message };
    throw error;
  }
}

/** One sentence for a person about what is allowed. */
export function describeFault(code: KvCommandFault, limits: KeyValueLimits): string {
  if (code === 'key_too_large') return `a key has at most ${limits.keyBytesMax} bytes`;
  if (code === 'value_too_large') return `a value has at most ${limits.valueBytesMax} bytes`;
  return 'a key has at least one byte';
}
