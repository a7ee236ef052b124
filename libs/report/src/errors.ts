/** A run folder that cannot be read or is not valid; `problems` has one line for each finding. */
export class RunFolderError extends Error {
  override readonly name = 'RunFolderError';
  readonly code = 'REPORT_ERR_RUN';
  readonly problems: readonly string[];

  constructor(folder: string, problems: readonly string[]) {
    super(`${folder}: ${problems.join('; ')}`);
    this.problems = problems;
  }
}

/** An SLO expression that cannot be read: what is wrong and what is allowed. */
export class SloError extends Error {
  override readonly name = 'SloError';
  readonly code = 'REPORT_ERR_SLO';
  readonly expression: string;

  constructor(expression: string, problem: string) {
    super(`SLO "${expression}": ${problem}`);
    this.expression = expression;
  }
}
