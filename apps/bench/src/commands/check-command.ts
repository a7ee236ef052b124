import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import {
  checkLinearizability,
  drawHtml,
  drawText,
  exitCodeOf,
  HistoryError,
  type JsonValue,
  type Operation,
  pairOperations,
  parseHistory,
} from '@quorate/linearizability';
import { UsageError } from '../errors.ts';

/** The flags of `quorate check`. */
export interface CheckFlags {
  readonly model: string;
  readonly initial?: string;
  readonly timeLimit: string;
  readonly html?: string;
  readonly json?: boolean;
}

/** Carries out `quorate check`: 0 linearizable, 3 not, 2 unknown. */
export function checkCommand(file: string, flags: CheckFlags): number {
  if (flags.model !== 'register' && flags.model !== 'kv') {
    throw new UsageError(`--model ${flags.model}: allowed are register, kv`);
  }
  const seconds = Number(flags.timeLimit);
  if (!(seconds > 0)) throw new UsageError(`--time-limit ${flags.timeLimit}: seconds above 0`);
  const operations = readHistory(file);
  const deadline = performance.now() + seconds * 1000;
  const result = checkLinearizability(operations, {
    initial: initialValue(flags.initial),
    limits: { expired: () => performance.now() > deadline },
  });
  const violation = result.violations[0];
  if (flags.json) {
    const { verdict, reason, operations: checked, keys } = result;
    const smallest = violation?.operations ?? null;
    const shown = { verdict, reason, operations: checked, keys, smallestFailing: smallest };
    process.stdout.write(`${JSON.stringify(shown)}\n`);
  } else {
    const counts = `${result.operations} operations on ${result.keys} keys`;
    if (result.verdict === 'linearizable') process.stdout.write(`linearizable: ${counts}\n`);
    else if (result.verdict === 'unknown') {
      const keys = result.undecidedKeys.length;
      process.stdout.write(`unknown: ${result.reason}; ${keys} keys undecided of ${counts}\n`);
    }
    if (violation) process.stdout.write(`not linearizable: ${counts}\n\n${drawText(violation)}\n`);
  }
  if (violation && flags.html !== undefined) {
    writeFileSync(flags.html, drawHtml(violation));
    process.stderr.write(`drawing: ${flags.html}\n`);
  }
  return exitCodeOf(result.verdict);
}

function readHistory(file: string): Operation[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new UsageError(`${file}: cannot be read (${code})`);
  }
  try {
    // Gzip is told by its first two bytes, whatever the file is called.
    const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
    return pairOperations(parseHistory((isGzip ? gunzipSync(bytes) : bytes).toString('utf8')));
  } catch (error) {
    if (error instanceof HistoryError) throw new UsageError(`${file}: ${error.message}`);
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code.startsWith('Z_')) throw new UsageError(`${file}: broken gzip (${code})`);
    throw error;
  }
}

function initialValue(text: string | undefined): JsonValue {
  if (text === undefined) return null;
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text; // Bare words are taken as text, so that quotes need no quoting in a shell.
  }
}
