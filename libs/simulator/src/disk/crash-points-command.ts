import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { exitCodeOfFlags, nxProgram, wholeNumber } from '../nx-program.ts';
import { type CrashPointResult, enumerateCrashPoints } from './crash-points.ts';

const OPERATIONS = 200;

const EXAMPLES = `
Examples:
  npx nx run simulator:crash-points
  npx nx run simulator:crash-points -- --operations 20 --every 7
  npx nx run simulator:crash-points -- --out results/crash-points.json

Exit codes: 0 every start afterwards went well · 1 one did not · 64 bad flags.`;

interface Flags {
  readonly operations: number;
  readonly every: number;
  readonly out?: string;
}

/**
 * `nx run simulator:crash-points`: crashes log and snapshot store before each effect of a workload
 * and at each torn prefix, once with write-through and once with separate syncs. Prints the counts,
 * writes them to `--out`; the exit code is 0 when every start afterwards went well.
 */
export function crashPointsMain(argv: readonly string[]): number {
  try {
    return enumerateAll(readFlags(argv));
  } catch (error) {
    return exitCodeOfFlags(error);
  }
}

function readFlags(argv: readonly string[]): Flags {
  return nxProgram(
    'simulator:crash-points',
    'Crashes log and snapshot store before each effect on the disk and starts them again.',
  )
    .option('--operations <n>', 'operations of the workload', wholeNumber, OPERATIONS)
    .option('--every <n>', 'of the crash points take each n-th', wholeNumber, 1)
    .option('--out <file>', 'where the counts go, as JSON')
    .addHelpText('after', EXAMPLES)
    .parse(
      argv.filter((arg) => arg !== '--'),
      { from: 'user' },
    )
    .opts<Flags>();
}

function enumerateAll({ operations, every, out }: Flags): number {
  const rows = [true, false].map((writeThrough) => {
    const startedAt = performance.now();
    const progress = (points: number): void => console.log(`points ${points}`);
    const result = enumerateCrashPoints({ operations, every, writeThrough, progress });
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    console.log(lineOf(writeThrough, result, seconds));
    for (const failure of result.failures) console.log(`  FAILED ${failure}`);
    return { writeThrough, ...result, seconds };
  });
  const points = rows.reduce((sum, row) => sum + row.points, 0);
  const failed = rows.some(({ failures }) => failures.length > 0);
  console.log(
    `${operations} operations: ${points} crash points, ${failed ? 'FAILED' : 'all held'}`,
  );
  if (out !== undefined) {
    const path = resolve(out);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${JSON.stringify({ operations, every, points, rows }, null, 2)}\n`);
  }
  return failed ? 1 : 0;
}

function lineOf(writeThrough: boolean, result: CrashPointResult, seconds: number): string {
  const { effects, points, tornPrefixes } = result;
  return (
    `${writeThrough ? 'write-through' : 'write and sync'}: ${effects} effects, ${points} crash ` +
    `points, ${tornPrefixes} of them torn prefixes, ${seconds} s`
  );
}
