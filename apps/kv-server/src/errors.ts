/** Every code with which the server refuses to start; listed in `docs/reference/errors.md`. */
export type ServerErrorCode =
  | 'SERVER_ERR_USAGE'
  | 'SERVER_ERR_CLUSTER_FILE'
  | 'SERVER_ERR_ADDRESS_IN_USE'
  | 'SERVER_ERR_SYNC_LABEL'
  | 'SERVER_ERR_PEERS_FILE';

/** The exit code of a process whose input was wrong: nothing was started. */
export const EXIT_USAGE = 64;
/** The exit code of a process that failed by itself. */
export const EXIT_FAILED = 70;

/** Wrong input or a start that cannot go on; the message is one line for a person. */
export class ServerError extends Error {
  override readonly name = 'ServerError';
  readonly code: ServerErrorCode;

  constructor(code: ServerErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
