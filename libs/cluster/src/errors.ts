/** Every code that a {@link ClusterError} carries; listed in `docs/reference/errors.md`. */
export type ClusterErrorCode =
  | 'CLUSTER_ERR_START'
  | 'CLUSTER_ERR_UNRESPONSIVE'
  | 'CLUSTER_ERR_REFUSED'
  | 'CLUSTER_ERR_STATE'
  | 'CLUSTER_ERR_EVIDENCE';

/** A failed operation on a cluster or one of its replicas. */
export class ClusterError extends Error {
  override readonly name = 'ClusterError';
  readonly code: ClusterErrorCode;

  constructor(code: ClusterErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
