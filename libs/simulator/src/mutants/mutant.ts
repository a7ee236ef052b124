/** The parts of the house that mutants are planted in. */
export const MUTANT_TARGETS = [
  'raft',
  'multi-paxos',
  'zab',
  'wal',
  'snapshot-store',
  'replica',
  'kv',
  'client',
  'linearizability',
] as const;
/** One of {@link MUTANT_TARGETS}. */
export type MutantTarget = (typeof MUTANT_TARGETS)[number];

/** True for the consensus engines, which share one search and the exploration of small scopes. */
export function isEngineTarget(target: MutantTarget): boolean {
  return target === 'raft' || target === 'multi-paxos' || target === 'zab';
}

/** A change of one source file, kept as data: `find` must stand in it exactly once. */
export interface SourcePatch {
  readonly id: string;
  /** Path from the workspace's root, with forward slashes. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** One named test, or all of a file whose names hold `test`. */
export interface MutantScript {
  /** Path of the test file from the workspace's root. */
  readonly file: string;
  /** A part of the names of the tests that must fail, as a regular expression. */
  readonly test: string;
}

/**
 * A bug put back on purpose. The net holds when its script fails on it, and when random search
 * finds it within a stated number of seeds. No hook for it stands in the product: it is a patch
 * that a runner applies to a temporary copy of the sources.
 */
export interface Mutant extends SourcePatch {
  readonly target: MutantTarget;
  /** What is wrong, in one sentence; catalogue ids in brackets. */
  readonly bug: string;
  readonly script: MutantScript;
}

/** A patch that does not fit its source any more: the mutant must be brought up to date. */
export class PatchMisfit extends Error {
  override readonly name = 'PatchMisfit';

  constructor(patch: SourcePatch, count: number) {
    super(`mutant ${patch.id}: its text stands ${count} times in ${patch.file}, not once`);
  }
}

/** The patched source. Throws `PatchMisfit` unless the text to find stands in it exactly once. */
export function applyPatch(source: string, patch: SourcePatch): string {
  const parts = source.split(patch.find);
  if (parts.length !== 2) throw new PatchMisfit(patch, parts.length - 1);
  return parts.join(patch.replace);
}

/** A text of several lines, as it stands in a source. */
export function lines(...texts: readonly string[]): string {
  return texts.join('\n');
}
