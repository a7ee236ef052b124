import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Run } from '@quorate/report';
import { ExitCode } from '../errors.ts';
import { readOperations } from '../run/judge-block.ts';
import { FAILING_OPERATIONS_MAX, PLANTED_PROTOCOLS, type PlantedFault } from './planted-fault.ts';
import { type Ended, runNode, type WorkspaceCopy } from './workspace-copy.ts';

/** What the bench made of one fault in one protocol. */
export interface Finding {
  readonly fault: string;
  readonly protocol: string;
  /** Null when a signal ended the bench. */
  readonly exitCode: number | null;
  /** Operations of the smallest failing history; null when there is none. */
  readonly operations: number | null;
  readonly drawing: string;
  readonly ackedLost: number | null;
  readonly durationMs: number;
  /** Null when the fault was caught as it must be. */
  readonly missedBecause: string | null;
  /** What the bench said; for a fault that was missed. */
  readonly output: string;
}

/** One protocol takes about ten seconds, three half a minute; beyond this the bench hangs. */
const RUN_LIMIT_MS = 180_000;
const BUILD_LIMIT_MS = 180_000;

/** Builds a patched copy. Throws with the compiler's words when it does not compile. */
export async function buildCopy(copy: WorkspaceCopy, stop: AbortSignal): Promise<void> {
  const args = ['--input-type=module', '--eval', copy.buildScript];
  const { code, output } = await runNode(args, {
    ...{ cwd: copy.folder, limitMs: BUILD_LIMIT_MS, stop, asked: 'group' as const },
  });
  if (code !== 0) throw new Error(`the patched copy does not build (exit ${code}):\n${output}`);
}

/** Runs the real bench of the patched copy, on real processes, against one protocol. */
export async function findPlanted(
  copy: WorkspaceCopy,
  fault: PlantedFault,
  protocol: string,
  stop: AbortSignal,
): Promise<Finding> {
  const began = performance.now();
  const out = join(copy.folder, 'found', `${fault.id}-${protocol}`);
  const { code, output } = await runBench(copy, fault, { protocols: protocol, out, stop });
  const evidence = evidenceOf(out);
  return {
    ...{ fault: fault.id, protocol, exitCode: code, output, ...evidence },
    durationMs: performance.now() - began,
    missedBecause: reasonMissed(code, evidence.operations),
  };
}

/** The control ends here and judges what it has: a busy machine makes void blocks run again. */
const CONTROL_DEADLINE = 'deadline: 60s\n';

/** What the control found: nothing, too little to say, or a violation that nobody planted. */
export interface Control {
  readonly verdict: 'clean' | 'undecided' | 'spoilt';
  readonly output: string;
}

/**
 * Runs the same scenario against all protocols before the copy is patched. When it finds a
 * violation, or does not run, a later finding would prove nothing.
 */
export async function runControl(
  copy: WorkspaceCopy,
  fault: PlantedFault,
  stop: AbortSignal,
): Promise<Control> {
  const out = join(copy.folder, 'found', `${fault.id}-control`);
  const protocols = PLANTED_PROTOCOLS.join(',');
  const bounded = { ...fault, scenario: fault.scenario + CONTROL_DEADLINE };
  const { code, output } = await runBench(copy, bounded, { protocols, out, stop });
  if (code === ExitCode.ok) return { verdict: 'clean', output };
  return { verdict: code === ExitCode.undecided ? 'undecided' : 'spoilt', output };
}

function runBench(
  copy: WorkspaceCopy,
  fault: PlantedFault,
  run: { readonly protocols: string; readonly out: string; readonly stop: AbortSignal },
): Promise<Ended> {
  const scenario = join(copy.folder, `${fault.id}.yaml`);
  mkdirSync(run.out, { recursive: true });
  writeFileSync(scenario, fault.scenario);
  const bench = join(copy.folder, 'apps', 'bench', 'bin', 'quorate.mjs');
  const args = [bench, 'run', scenario, '--protocol', run.protocols, '--out', run.out];
  return runNode(args, {
    cwd: copy.folder,
    limitMs: RUN_LIMIT_MS,
    stop: run.stop,
    asked: 'process',
  });
}

function reasonMissed(exitCode: number | null, operations: number | null): string | null {
  if (exitCode !== ExitCode.violation) {
    return `exit code ${exitCode}, expected ${ExitCode.violation}`;
  }
  if (operations === null) return 'no failing history was written';
  if (operations > FAILING_OPERATIONS_MAX) {
    return `the smallest failing history has ${operations} operations`;
  }
  return null;
}

type Evidence = Pick<Finding, 'operations' | 'drawing' | 'ackedLost'>;

function evidenceOf(out: string): Evidence {
  const nothing: Evidence = { operations: null, drawing: '', ackedLost: null };
  const name = readdirSync(out).find((entry) => !entry.startsWith('.'));
  if (name === undefined) return nothing;
  const folder = join(out, name);
  const run = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as Run;
  const verdicts = run.protocols[0]?.verdicts;
  const history = verdicts?.smallestFailingHistory ?? null;
  const ackedLost = verdicts?.ackedLost ?? null;
  if (history === null) return { ...nothing, ackedLost };
  const drawing = readFileSync(join(folder, history.replace(/\.ndjson$/, '.txt')), 'utf8');
  return { operations: readOperations(join(folder, history)).length, drawing, ackedLost };
}
