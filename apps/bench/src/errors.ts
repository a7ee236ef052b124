/** The exit codes of every `quorate` command, as the README lists them. */
export const ExitCode = {
  ok: 0,
  sloFellShort: 1,
  undecided: 2,
  violation: 3,
  usage: 64,
  failed: 70,
  interrupted: 130,
} as const;
/** One of the numbers of {@link ExitCode}. */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/**
 * Wrong input of a person: one line that says what is wrong, where, and what is allowed. The
 * command ends with {@link ExitCode.usage}; nothing was started.
 */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * A correctness violation that ends a run at once: a simulated replica broke an invariant. The
 * command ends with {@link ExitCode.violation}; the same command shows it again.
 */
export class ViolationError extends Error {
  override readonly name = 'ViolationError';
}
