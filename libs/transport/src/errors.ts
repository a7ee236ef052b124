/** Every code that a {@link TransportError} carries; listed in `docs/reference/errors.md`. */
export type TransportErrorCode =
  | 'TRANSPORT_ERR_ADDRESS_IN_USE'
  | 'TRANSPORT_ERR_ADDRESS_INVALID'
  | 'TRANSPORT_ERR_CONNECTION_REFUSED'
  | 'TRANSPORT_ERR_CONNECTION_FAILED'
  | 'TRANSPORT_ERR_FRAME_TOO_LARGE'
  | 'TRANSPORT_ERR_HELLO_MALFORMED'
  | 'TRANSPORT_ERR_HELLO_TIMEOUT'
  | 'TRANSPORT_ERR_FORMAT_VERSION'
  | 'TRANSPORT_ERR_FOREIGN_CLUSTER'
  | 'TRANSPORT_ERR_FOREIGN_PROTOCOL'
  | 'TRANSPORT_ERR_UNKNOWN_NODE'
  | 'TRANSPORT_ERR_FOREIGN_DISK'
  | 'TRANSPORT_ERR_QUEUE_FULL'
  | 'TRANSPORT_ERR_STOPPED';

/** A failed operation of the transport, or the reason of a refused or ended session. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly code: TransportErrorCode;

  constructor(code: TransportErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Turns an operating system's network code (EADDRINUSE, ECONNREFUSED ...) into a
 * {@link TransportError}; `address` is the one that was asked for.
 */
export function networkError(systemCode: string, address: string, detail: string): TransportError {
  const code = CODES[systemCode] ?? 'TRANSPORT_ERR_CONNECTION_FAILED';
  return new TransportError(code, `${address}: ${detail}`);
}

const CODES: Readonly<Record<string, TransportErrorCode>> = {
  EADDRINUSE: 'TRANSPORT_ERR_ADDRESS_IN_USE',
  EADDRNOTAVAIL: 'TRANSPORT_ERR_ADDRESS_INVALID',
  EACCES: 'TRANSPORT_ERR_ADDRESS_INVALID',
  EINVAL: 'TRANSPORT_ERR_ADDRESS_INVALID',
  ENOTFOUND: 'TRANSPORT_ERR_ADDRESS_INVALID',
  ECONNREFUSED: 'TRANSPORT_ERR_CONNECTION_REFUSED',
};
