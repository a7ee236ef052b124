import { execFileSync } from 'node:child_process';
import type { Mutant, MutantTarget } from './mutant.ts';

const HERE = 'libs/simulator/src/mutants';

/** Where the mutants of a target are written down. */
const DEFINED_IN: Readonly<Record<MutantTarget, string>> = {
  raft: `${HERE}/raft-mutants.ts`,
  'multi-paxos': `${HERE}/multi-paxos-mutants.ts`,
  zab: `${HERE}/zab-mutants.ts`,
  wal: `${HERE}/storage-mutants.ts`,
  'snapshot-store': `${HERE}/storage-mutants.ts`,
  replica: `${HERE}/host-mutants.ts`,
  kv: `${HERE}/host-mutants.ts`,
  client: `${HERE}/host-mutants.ts`,
  linearizability: `${HERE}/checker-mutants.ts`,
};

/**
 * The paths that differ between a revision and the working tree, files not yet known to git
 * included; null when git does not know the revision (a shallow clone, no repository).
 */
export function changedPaths(workspace: string, revision: string): ReadonlySet<string> | null {
  const git = (...args: string[]): string => {
    return execFileSync('git', args, { cwd: workspace, encoding: 'utf8', stdio: 'pipe' });
  };
  try {
    const commit = git('rev-parse', '--verify', '--end-of-options', `${revision}^{commit}`).trim();
    const changed = git('diff', '--name-only', '--no-renames', '-z', commit, '--');
    const fresh = git('ls-files', '--others', '--exclude-standard', '-z');
    return new Set([...changed.split('\0'), ...fresh.split('\0')].filter((path) => path !== ''));
  } catch {
    return null;
  }
}

/** True when the patched file, the script or the file that holds the patch is among the paths. */
export function concernedBy(mutant: Mutant, paths: ReadonlySet<string>): boolean {
  const { file, script, target } = mutant;
  return paths.has(file) || paths.has(script.file) || paths.has(DEFINED_IN[target]);
}

/** The commit that stands checked out, with `+` where the working tree differs from it. */
export function currentCommit(workspace: string): string {
  try {
    const options = { cwd: workspace, encoding: 'utf8', stdio: 'pipe' } as const;
    const commit = execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], options).trim();
    const differs = execFileSync('git', ['status', '--porcelain', '--', 'libs'], options) !== '';
    return differs ? `${commit}+` : commit;
  } catch {
    return 'unknown';
  }
}
