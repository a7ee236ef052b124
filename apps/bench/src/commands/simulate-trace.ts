import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { CausalTrace, SHIVIZ_PARSER } from '@quorate/simulator';
import { ExitCode, UsageError } from '../errors.ts';
import { failureText } from './simulate-summary.ts';
import { runSeed, type SeedOutcome, type SeedTask } from './simulate-worker.ts';

/** ShiViz draws each event; many more than this and a browser gives up. */
const SHIVIZ_EVENTS_MAX = 4_000;

/**
 * Runs one seed and writes every event as a line of JSON to `path`, and the last ones with vector
 * clocks to a log for ShiViz beside it.
 */
export function traceSeed(task: SeedTask, path: string): number {
  const causalTrace = new CausalTrace(SHIVIZ_EVENTS_MAX);
  const file = openForWriting(path);
  let outcome: SeedOutcome;
  try {
    outcome = runSeed(task, { causalTrace, onTrace: (line) => writeSync(file, `${line}\n`) });
  } finally {
    closeSync(file);
  }
  const drawing = `${path.replace(/\.ndjson$/, '')}.shiviz.log`;
  writeFileSync(drawing, `${causalTrace.shiVizLines().join('\n')}\n`);
  if (outcome.failure !== null) process.stderr.write(failureText(outcome, task));
  const { hash, events, simulatedMicros } = outcome;
  const seconds = (simulatedMicros / 1e6).toFixed(1);
  process.stdout.write(
    `${path}  every event, one a line: ${seconds} simulated s, ${events} events, hash ${hash}\n` +
      `${drawing}  the last events with vector clocks: upload it to ShiViz, or paste it there\n` +
      `  without its first two lines and with the parser ${SHIVIZ_PARSER}\n`,
  );
  return outcome.failure === null ? ExitCode.ok : ExitCode.violation;
}

function openForWriting(path: string): number {
  try {
    return openSync(path, 'w');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`--trace ${path}: cannot be written (${code}); name another file`);
  }
}
