/**
 * A history that cannot be read: `line` is the line of the file, counted from 1, or null when the
 * events did not come from a file. `code` stands in the table of errors.
 */
export class HistoryError extends Error {
  override readonly name = 'HistoryError';
  readonly code = 'HISTORY_ERR_MALFORMED';
  readonly line: number | null;

  constructor(line: number | null, problem: string) {
    super(line === null ? problem : `line ${line}: ${problem}`);
    this.line = line;
  }
}
