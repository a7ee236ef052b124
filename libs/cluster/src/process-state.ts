import { readFileSync } from 'node:fs';
import { ClusterError } from './errors.ts';

/** State letter and start time of a process, from `/proc/<pid>/stat`. */
export interface ProcessState {
  /** R running, S sleeping, T stopped, Z zombie ... */
  readonly letter: string;
  /** Clock ticks since boot: with the pid it names one process for ever. */
  readonly startTicks: string;
}

/** Reads the state of a process; null when it does not exist (or there is no /proc). */
export function processState(pid: number): ProcessState | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name stands in parentheses and may hold anything, so fields count from the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { letter: fields[0] ?? '?', startTicks: fields[19] ?? '' };
  } catch {
    return null;
  }
}

const POLL_MS = 1;

/**
 * Waits until the state of a process satisfies `wanted`; rejects with CLUSTER_ERR_EVIDENCE when it
 * does not within `limitMs`: a fault that cannot be proven does not count.
 */
export async function waitForState(
  pid: number,
  wanted: (letter: string) => boolean,
  limitMs: number,
): Promise<string> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const state = processState(pid);
    if (state !== null && wanted(state.letter)) return state.letter;
    if (performance.now() > deadline) {
      const seen = state === null ? 'gone' : `in state ${state.letter}`;
      throw new ClusterError('CLUSTER_ERR_EVIDENCE', `process ${pid} is ${seen}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
