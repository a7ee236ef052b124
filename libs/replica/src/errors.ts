/**
 * Why a replica could not be opened or had to stop. Each code is listed in
 * `docs/reference/errors.md`:
 *
 * - `REPLICA_ERR_RECORDS`: the log's records contradict each other or the snapshot.
 * - `REPLICA_ERR_CONFIG`: the protocol refused its settings or the membership.
 * - `REPLICA_ERR_SNAPSHOT_FORMAT`: the state machine does not understand a verified snapshot.
 * - `REPLICA_ERR_SNAPSHOT_RESTORE`: a peer's snapshot was accepted and could not be restored.
 *
 * Errors of the log, the snapshot store and the transport come through with their own codes.
 */
export type ReplicaErrorCode =
  | 'REPLICA_ERR_RECORDS'
  | 'REPLICA_ERR_CONFIG'
  | 'REPLICA_ERR_SNAPSHOT_FORMAT'
  | 'REPLICA_ERR_SNAPSHOT_RESTORE';

/** A failure of the host itself; the message says what a person can do about it. */
export class ReplicaError extends Error {
  override readonly name = 'ReplicaError';
  readonly code: ReplicaErrorCode;

  constructor(code: ReplicaErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
