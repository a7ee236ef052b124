import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RunFolderError } from './errors.ts';
import { FAILOVER_PHASES, type Run, type RunProtocol, runSchema } from './run-schema.ts';

/** Findings of one kind that are listed before the rest is only counted. */
const PROBLEMS_MAX = 50;

/** What a check of a run folder found; `problems` is empty for a valid one. */
export interface RunValidation {
  /** The content, or null when it does not have the shape of a run. */
  readonly run: Run | null;
  /** One line each: the path in `run.json`, what is wrong, what is allowed. */
  readonly problems: readonly string[];
}

/** Checks the shape of the content of a `run.json`; never throws. */
export function parseRun(content: unknown): RunValidation {
  const parsed = runSchema.safeParse(content);
  if (parsed.success) return { run: parsed.data, problems: [] };
  const problems = parsed.error.issues
    .slice(0, PROBLEMS_MAX)
    .map(({ path, message }) => `${showPath(path)}: ${message}`);
  return { run: null, problems };
}

/**
 * Checks a run folder: `run.json` against the schema, the files that it names, and what a schema
 * cannot say (references, order of phases, one exit code). Never throws on a bad folder.
 */
export function validateRun(folder: string): RunValidation {
  const file = join(folder, 'run.json');
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const why = missing ? 'there is no run.json' : `cannot be read as JSON (${String(error)})`;
    return { run: null, problems: [`run.json: ${why}`] };
  }
  const { run, problems } = parseRun(content);
  if (run === null) return { run, problems };
  const found = [
    ...missingFiles(run)
      .filter(([, path]) => !existsSync(join(folder, path)))
      .map(describeMissing),
    ...run.protocols.flatMap((protocol, i) => contradictions(protocol, `protocols[${i}]`)),
  ];
  if (run.verdict.exit !== run.exitCode) {
    found.push(`verdict.exit: ${run.verdict.exit}, but exitCode is ${run.exitCode}`);
  }
  return { run, problems: found.slice(0, PROBLEMS_MAX) };
}

/** Reads a valid run folder's `run.json`; throws {@link RunFolderError} with all findings. */
export function readRun(folder: string): Run {
  const { run, problems } = validateRun(folder);
  if (run === null || problems.length > 0) throw new RunFolderError(folder, problems);
  return run;
}

function missingFiles(run: Run): [where: string, path: string][] {
  const named: [string, string | null][] = [
    ['files.report', run.files.report],
    ['files.markdown', run.files.markdown],
    ['files.junit', run.files.junit],
    ['files.series', run.files.series],
    ...run.files.charts.map((path, i): [string, string] => [`files.charts[${i}]`, path]),
    ...run.files.hlogs.map((path, i): [string, string] => [`files.hlogs[${i}]`, path]),
  ];
  run.protocols.forEach(({ blocks, latencyMs, verdicts }, p) => {
    blocks.forEach(({ history, events }, b) => {
      named.push([`protocols[${p}].blocks[${b}].history`, history]);
      named.push([`protocols[${p}].blocks[${b}].events`, events]);
    });
    for (const [operation, latency] of Object.entries(latencyMs)) {
      named.push([`protocols[${p}].latencyMs.${operation}.hlog`, latency.hlog]);
    }
    named.push([
      `protocols[${p}].verdicts.smallestFailingHistory`,
      verdicts.smallestFailingHistory,
    ]);
  });
  return named.filter((entry): entry is [string, string] => entry[1] !== null);
}

function describeMissing([where, path]: [string, string]): string {
  return `${where}: the folder has no ${path}`;
}

function contradictions(protocol: RunProtocol, where: string): string[] {
  const problems: string[] = [];
  const ids = new Set(protocol.faults.map(({ id }) => id));
  if (ids.size !== protocol.faults.length) problems.push(`${where}.faults: an id is used twice`);
  protocol.faults.forEach((fault, i) => {
    const at = `${where}.faults[${i}]`;
    if (fault.proven && fault.evidence.install === null)
      problems.push(`${at}: proven, no evidence`);
    if (!fault.proven && fault.excludedReason === null) {
      problems.push(`${at}.excludedReason: missing for a fault that is not proven`);
    }
  });
  protocol.failovers.forEach(({ faultId, phasesMs }, i) => {
    const at = `${where}.failovers[${i}]`;
    if (!ids.has(faultId)) problems.push(`${at}.faultId: there is no fault "${faultId}"`);
    let before = 0;
    for (const phase of FAILOVER_PHASES) {
      const ms = phasesMs[phase];
      if (ms === null) continue;
      if (ms < before)
        problems.push(`${at}.phasesMs.${phase}: ${ms} is before the phase before it`);
      before = ms;
    }
  });
  return problems;
}

function showPath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'run.json';
  return path
    .map((part, i) =>
      typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${String(part)}`,
    )
    .join('');
}
