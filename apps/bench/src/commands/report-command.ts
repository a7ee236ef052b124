import { statSync } from 'node:fs';
import { join } from 'node:path';
import { RunFolderError, validateRun, writeReport } from '@quorate/report';
import { ExitCode, UsageError } from '../errors.ts';

/** The flags of `quorate report`. */
export interface ReportFlags {
  readonly validate?: boolean;
}

/** Carries out `quorate report DIR`: draws the report again, or validates the folder. */
export async function reportCommand(folder: string, flags: ReportFlags): Promise<number> {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`${folder}: there is no such run folder`);
  }
  if (flags.validate) {
    const { run, problems } = validateRun(folder);
    for (const problem of problems) process.stderr.write(`${folder}: ${problem}\n`);
    if (run === null || problems.length > 0) return ExitCode.sloFellShort;
    const protocols = run.protocols.map((protocol) => protocol.name).join(', ');
    process.stdout.write(`valid: ${run.scenario.name}, ${run.status}, ${protocols}\n`);
    return ExitCode.ok;
  }
  try {
    const files = await writeReport(folder);
    process.stdout.write(`${join(folder, files.report)}\n`);
    return ExitCode.ok;
  } catch (error) {
    if (error instanceof RunFolderError) throw new UsageError(error.message);
    throw error;
  }
}
