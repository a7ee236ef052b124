import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type CrashPointResult, enumerateCrashPoints } from './crash-points.ts';

const OPERATIONS = 200;

/**
 * `nx run simulator:crash-points [--operations N] [--every N] [--out FILE]`: crashes log and
 * snapshot store before each effect of a workload and at each torn prefix, once with write-through
 * and once with separate syncs. Prints the counts, writes them to `--out`; the exit code is 0 when
 * every start afterwards went well.
 */
export function crashPointsMain(argv: readonly string[]): number {
  const { values } = parseArgs({
    args: argv.filter((arg) => arg !== '--'),
    options: {
      operations: { type: 'string' },
      every: { type: 'string' },
      out: { type: 'string' },
    },
  });
  const operations = Number(values.operations ?? OPERATIONS);
  const every = Number(values.every ?? 1);
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
  if (values.out !== undefined) {
    const path = resolve(values.out);
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
