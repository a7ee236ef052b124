import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import {
  type CheckResult,
  checkLinearizability,
  drawHtml,
  drawText,
  exitCodeOf,
  HistoryError,
  type JsonValue,
  MODELS,
  type Model,
  type Operation,
  pairOperations,
  parseHistory,
} from '@quorate/linearizability';
import { UsageError } from '../errors.ts';

/** The flags of `quorate check`. */
export interface CheckFlags {
  readonly model: string;
  readonly initial?: string;
  /** Seconds. */
  readonly timeLimit: string;
  /** MiB. */
  readonly memoryLimit: string;
  readonly html?: string;
  readonly json?: boolean;
}

/** Where a command writes what it has to say. */
export interface CheckOutput {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const TERMINAL: CheckOutput = {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
};

const MIB = 1024 * 1024;

/** Carries out `quorate check`: 0 linearizable, 3 not, 2 unknown. */
export function checkCommand(file: string, flags: CheckFlags, output = TERMINAL): number {
  const model = MODELS.get(flags.model);
  if (model === undefined) {
    throw new UsageError(`--model ${flags.model}: allowed are ${[...MODELS.keys()].join(', ')}`);
  }
  const seconds = above0(flags.timeLimit, '--time-limit', 'seconds');
  const memoryBytesMax = above0(flags.memoryLimit, '--memory-limit', 'MiB') * MIB;
  const operations = readHistory(file, model);
  const startedAt = performance.now();
  const deadline = startedAt + seconds * 1000;
  const result = checkLinearizability(operations, {
    model,
    initial: initialValue(flags.initial),
    limits: { memoryBytesMax, expired: () => performance.now() > deadline },
  });
  const took = `${((performance.now() - startedAt) / 1000).toFixed(2)} s`;
  output.out(flags.json ? jsonOf(result) : textOf(result, took));
  const violation = result.violations[0];
  if (violation && flags.html !== undefined) {
    writeFileSync(flags.html, drawHtml(violation));
    output.err(`drawing: ${flags.html}\n`);
  }
  return exitCodeOf(result.verdict);
}

function above0(text: string, flag: string, unit: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`${flag} ${text}: ${unit} above 0`);
  return value;
}

function jsonOf(result: CheckResult): string {
  const { verdict, reason, operations, keys, undecidedKeys, stepsUsed, violations } = result;
  const [violation] = violations;
  const shown = {
    verdict,
    reason,
    operations,
    keys,
    stepsUsed,
    undecidedKeys,
    failingKey: violation?.key ?? null,
    explanation: violation?.explanation ?? null,
    smallestFailing: violation?.operations ?? null,
  };
  return `${JSON.stringify(shown)}\n`;
}

function textOf(result: CheckResult, took: string): string {
  const keyCount = `${result.keys} ${result.keys === 1 ? 'key' : 'keys'}`;
  const counts = `${result.operations} operations on ${keyCount}`;
  const cost = `${result.stepsUsed} steps, ${took}`;
  const [violation] = result.violations;
  if (violation) return `not linearizable: ${counts} (${cost})\n\n${drawText(violation)}\n`;
  if (result.verdict === 'linearizable') return `linearizable: ${counts} (${cost})\n`;
  const undecided = `${result.undecidedKeys.length} undecided`;
  return `unknown: ${result.reason}; ${counts}, ${undecided} (${cost})\n`;
}

function readHistory(file: string, model: Model): Operation[] {
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
    const text = (isGzip ? gunzipSync(bytes) : bytes).toString('utf8');
    return pairOperations(parseHistory(text, model.operations));
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
