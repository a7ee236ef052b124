import { Command, CommanderError, InvalidArgumentError } from 'commander';

/** What these commands end with for options that mean nothing. */
const EXIT_USAGE = 64;

/** A command of this library that is started as `npx nx run NAME -- FLAGS`. */
export function nxProgram(name: string, description: string): Command {
  return new Command(`npx nx run ${name} --`)
    .description(description)
    .exitOverride()
    .showHelpAfterError('(add --help for the options and examples)');
}

/** A flag's value that is a whole number above zero. */
export function wholeNumber(text: string): number {
  if (!/^[1-9]\d*$/.test(text))
    throw new InvalidArgumentError('It must be a whole number above 0.');
  return Number(text);
}

/**
 * The exit code of a command that ended while it read its flags: 0 after the help, 64 for flags
 * that mean nothing. What is no error of flags is thrown on.
 */
export function exitCodeOfFlags(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (!(error instanceof RangeError)) throw error;
  console.error(error.message);
  return EXIT_USAGE;
}
