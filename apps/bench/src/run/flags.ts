import { UsageError } from '../errors.ts';

/** What a person may override on the command line, as commander hands it over. */
export interface RunFlags {
  readonly protocol?: string;
  readonly nodes?: string;
  readonly runtime?: string;
  readonly transport?: string;
  readonly sync?: string;
  readonly rate?: string;
  readonly closed?: string;
  readonly seconds?: string;
  readonly blocks?: string;
  readonly trials?: string;
  readonly seed?: string;
  readonly slo?: string[];
  readonly out: string;
  readonly quick?: boolean;
  readonly json?: boolean;
  /** Of a story: writes what it came to into its table below `results/`. */
  readonly record?: boolean;
}

/** The value of a flag that takes a whole number; undefined when it was not given. */
export function wholeFlag(
  flag: string,
  text: string | undefined,
  limits: { readonly min: number; readonly max: number },
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  // `Number('')` is 0, which nobody meant by an empty word.
  if (!/^\d+$/.test(text) || value < limits.min || value > limits.max) {
    throw new UsageError(`${flag} ${text}: a whole number from ${limits.min} to ${limits.max}`);
  }
  return value;
}

/** The values of a flag that takes whole numbers with commas between them. */
export function wholesFlag(
  flag: string,
  text: string | undefined,
  limits: { readonly min: number; readonly max: number },
): number[] | undefined {
  return text?.split(',').map((part) => wholeFlag(flag, part.trim(), limits) ?? limits.min);
}

/** The value of a flag that takes one of a few words. */
export function wordFlag<T extends string>(
  flag: string,
  text: string | undefined,
  allowed: readonly T[],
): T | undefined {
  if (text === undefined) return undefined;
  const found = allowed.find((name) => name === text);
  if (found !== undefined) return found;
  throw new UsageError(`${flag} ${text}: allowed are ${allowed.join(', ')}`);
}

/** The values of a flag that takes such words with commas between them; each counts once. */
export function wordsFlag<T extends string>(
  flag: string,
  text: string | undefined,
  allowed: readonly T[],
): T[] | undefined {
  if (text === undefined) return undefined;
  const words = text.split(',').flatMap((part) => wordFlag(flag, part.trim(), allowed) ?? []);
  return [...new Set(words)];
}
