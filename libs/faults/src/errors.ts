/** A place in a document: field names and list positions from the root. */
export type DocumentPath = readonly (string | number)[];

/**
 * A fault schedule that cannot be used: what is wrong, where in the document, and what is allowed.
 * `path` starts at the list of faults, so that a caller can look up file and line.
 */
export class FaultScheduleError extends Error {
  override readonly name = 'FaultScheduleError';
  readonly code = 'FAULTS_ERR_SCHEDULE';
  readonly path: DocumentPath;
  /** The message without the place. */
  readonly problem: string;

  constructor(path: DocumentPath, problem: string) {
    super(`${showPath(path)}: ${problem}`);
    this.path = path;
    this.problem = problem;
  }
}

/** A path as people write it: `faults[2].cut.to`. */
export function showPath(path: DocumentPath): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}.${part}`),
    'faults',
  );
}
