import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import {
  checkLinearizability,
  drawHtml,
  drawText,
  eventsOf,
  findLostWrites,
  formatHistory,
  type Operation,
  pairOperations,
  parseHistory,
  type Violation,
} from '@quorate/linearizability';
import {
  analyseFailover,
  type EngineMark,
  type MarkKind,
  type RunFailover,
  type RunFault,
} from '@quorate/report';
import type { BlockResult } from './block.ts';

/** What a block's own history says about it. */
export interface BlockVerdict {
  readonly linearizable: boolean | null;
  readonly reason: string | null;
  readonly checkedOperations: number;
  readonly ackedWrites: number;
  readonly ackedLost: number | null;
  readonly lostExamples: readonly unknown[];
  /** Path in the run folder, or null when nothing failed. */
  readonly smallestFailingHistory: string | null;
  readonly explanation: string | null;
  readonly faults: readonly RunFault[];
  readonly failovers: readonly RunFailover[];
}

/** The longest that one block's check may take; beyond it the verdict is unknown. */
const CHECK_MS_MAX = 60_000;
const NANOS_PER_MS = 1e6;
const MARKS = new Set<string>([
  'suspected',
  'candidacy',
  'candidacyFailed',
  'elected',
  'serving',
  'firstCommit',
]);

/**
 * Judges a block from its history file, as a stranger could: linearizability, lost acknowledged
 * writes, and the failover of each proven fault.
 */
export function judgeBlock(block: BlockResult, folder: string, blocks: number): BlockVerdict {
  const operations = readOperations(block.historyFile);
  const deadline = performance.now() + CHECK_MS_MAX;
  const checked = checkLinearizability(operations, {
    limits: { expired: () => performance.now() > deadline },
  });
  const lost = findLostWrites(operations);
  const violation = checked.violations[0];
  const uncovered = block.unreadKeys > 0 || lost.keysWithoutReadBack > 0;
  return {
    linearizable: checked.verdict === 'unknown' ? null : checked.verdict === 'linearizable',
    reason: checked.reason ?? coverage(block),
    checkedOperations: checked.operations,
    ackedWrites: lost.ackedWrites + block.loader.unsampledAcked,
    // A key that could not be read back leaves the count unknown, unless something is lost already.
    ackedLost:
      uncovered && lost.ackedLost === 0 ? null : lost.ackedLost + block.loader.unsampledLost,
    lostExamples: lost.examples.map(({ write, readBack }) => ({
      key: write.key,
      written: write.value ?? null,
      readBack: readBack.value ?? null,
    })),
    smallestFailingHistory: violation ? writeViolation(violation, block, folder) : null,
    explanation: violation?.explanation ?? null,
    ...failoversOf(block, operations, blocks),
  };
}

/** Reads a history file, `.ndjson` or `.ndjson.gz`, as operations. */
export function readOperations(file: string): Operation[] {
  const bytes = readFileSync(file);
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  return pairOperations(parseHistory(text));
}

function coverage({ loader }: BlockResult): string | null {
  if (loader.sampleEvery === 1) return null;
  return (
    `complete histories of one key in ${loader.sampleEvery} (${loader.historyOperations} of ` +
    `${loader.operations} operations); the last acknowledged revision of the others was read back`
  );
}

function writeViolation(violation: Violation, block: BlockResult, folder: string): string {
  const name = `${basename(block.historyFile, '.ndjson.gz')}-failing`;
  const path = join('histories', `${name}.ndjson`);
  writeFileSync(join(folder, path), formatHistory(eventsOf(violation.operations)));
  writeFileSync(join(folder, 'histories', `${name}.html`), drawHtml(violation));
  writeFileSync(join(folder, 'histories', `${name}.txt`), drawText(violation));
  return path;
}

function failoversOf(
  block: BlockResult,
  operations: readonly Operation[],
  blocks: number,
): { faults: RunFault[]; failovers: RunFailover[] } {
  const successes = operations
    .filter(({ f, returnTime }) => f !== 'read' && returnTime !== null)
    .map(({ returnTime }) => (returnTime as number) / NANOS_PER_MS)
    .sort((a, b) => a - b);
  const marks: EngineMark[] = block.events
    .filter(({ event }) => MARKS.has(event))
    .map(({ atMs, node, event }) => ({ atMs, node, kind: event as MarkKind }));
  // The end of the load, not of the last success: a service that never came back was down until
  // then.
  const endMs = block.probeEndMs;
  const faults = block.faults.map((fault): RunFault => {
    const { install, heal } = fault.evidence;
    const id = blocks > 1 ? `b${block.index}-${fault.id}` : fault.id;
    const copy = { install: install && { ...install }, heal: heal && { ...heal } };
    return { ...fault, id, evidence: copy };
  });
  const failovers: RunFailover[] = [];
  faults.forEach((fault, place) => {
    if (!fault.proven || fault.installedMs === null || fault.kind.startsWith('restart')) return;
    const next = faults
      .slice(place + 1)
      .find((other) => other.requestedMs > fault.requestedMs && !other.kind.startsWith('restart'));
    const untilMs = Math.max(fault.installedMs, next?.requestedMs ?? endMs);
    failovers.push(
      analyseFailover({
        ...{ faultId: fault.id, installedMs: fault.installedMs, untilMs },
        ...{ writeSuccessMs: successes, marks, oldLeader: fault.node },
      }),
    );
  });
  return { faults, failovers };
}
