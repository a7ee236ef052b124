import Table from 'cli-table3';
import { ExitCode } from '../errors.ts';
import { buildCopy, type Finding, findPlanted, runControl } from './find-planted.ts';
import {
  FAILING_OPERATIONS_MAX,
  PLANTED_FAULTS,
  PLANTED_PROTOCOLS,
  type PlantedFault,
} from './planted-fault.ts';
import { WorkspaceCopy } from './workspace-copy.ts';

const MISSED_EXIT = 1;
const INDENT = '    ';

/**
 * Runs the bench in a temporary copy of the workspace, which must find nothing, plants each fault
 * there, runs it again against each protocol, and prints what it found. Resolves with 0 when every
 * fault was caught in every protocol and with 1 when one was missed; with 70 when a patch no
 * longer applies, the copy does not build, or its bench finds a violation before anything was
 * planted; with 130 when a person ended it.
 */
export async function plantedCommand(): Promise<number> {
  const began = performance.now();
  const stopper = new AbortController();
  const stop = (): void => stopper.abort();
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const findings: Finding[] = [];
  try {
    await plantAll(stopper.signal, findings);
  } catch (error) {
    if (!stopper.signal.aborted) {
      say(error instanceof Error ? error.message : String(error));
      return ExitCode.failed;
    }
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
  if (stopper.signal.aborted) {
    say('ended by a signal; the temporary copy is removed');
    return ExitCode.interrupted;
  }
  return conclude(findings, performance.now() - began);
}

async function plantAll(stop: AbortSignal, findings: Finding[]): Promise<void> {
  say('copying the workspace');
  const copy = new WorkspaceCopy();
  try {
    say(`building ${copy.folder}`);
    await buildCopy(copy, stop);
    for (const fault of PLANTED_FAULTS) await control(copy, fault, stop);
    for (const fault of PLANTED_FAULTS) {
      if (!stop.aborted) await plant(copy, fault, stop, findings);
    }
  } finally {
    copy.remove();
  }
}

async function control(copy: WorkspaceCopy, fault: PlantedFault, stop: AbortSignal): Promise<void> {
  if (stop.aborted) return;
  say(`${fault.id}: nothing planted yet, for control: ${PLANTED_PROTOCOLS.join(', ')}`);
  const { verdict, output } = await runControl(copy, fault, stop);
  if (stop.aborted) return;
  if (verdict === 'spoilt') throw new Error(`the unpatched copy did not pass:\n${output}`);
  say(`${INDENT}no violation${verdict === 'clean' ? '' : ' found, but undecided: a busy machine'}`);
}

async function plant(
  copy: WorkspaceCopy,
  fault: PlantedFault,
  stop: AbortSignal,
  findings: Finding[],
): Promise<void> {
  say(`${fault.id}: ${fault.bug}`);
  say(`${INDENT}planting ${fault.patches.map(({ id }) => id).join(', ')}`);
  copy.apply(fault.patches);
  await buildCopy(copy, stop);
  for (const protocol of PLANTED_PROTOCOLS) {
    if (stop.aborted) return;
    say(`${INDENT}running the bench: ${protocol}`);
    const finding = await findPlanted(copy, fault, protocol, stop);
    if (stop.aborted) return;
    findings.push(finding);
    tell(finding);
  }
}

function tell(finding: Finding): void {
  const { fault, protocol, exitCode, operations, missedBecause, durationMs } = finding;
  const verdict = missedBecause === null ? 'caught' : `MISSED: ${missedBecause}`;
  const seconds = (durationMs / 1000).toFixed(0);
  say('');
  say(
    `${fault} in ${protocol}: ${verdict} (exit code ${exitCode}, smallest failing history: ` +
      `${operations ?? 'no'} operations, ${seconds} s)`,
  );
  say('');
  say(indented(missedBecause === null || operations !== null ? finding.drawing : finding.output));
  say('');
}

function conclude(findings: readonly Finding[], durationMs: number): number {
  const table = new Table({
    head: ['planted fault', 'protocol', 'exit', 'operations', 'acked lost', 'verdict'],
    style: { head: [], border: [] },
  });
  for (const finding of findings) {
    const { fault, protocol, exitCode, operations, ackedLost, missedBecause } = finding;
    const verdict = missedBecause === null ? 'caught' : `missed: ${missedBecause}`;
    table.push([fault, protocol, exitCode ?? '-', operations ?? '-', ackedLost ?? '-', verdict]);
  }
  say(table.toString());
  const caught = findings.filter(({ missedBecause }) => missedBecause === null).length;
  const expected = PLANTED_FAULTS.length * PLANTED_PROTOCOLS.length;
  say(
    `${caught} of ${expected} planted faults caught, each by a history of at most ` +
      `${FAILING_OPERATIONS_MAX} operations, in ${(durationMs / 1000).toFixed(0)} s`,
  );
  return caught === expected ? ExitCode.ok : MISSED_EXIT;
}

function indented(text: string): string {
  return text.trimEnd().replaceAll(/^/gm, INDENT);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
