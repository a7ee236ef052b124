import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { UsageError } from '../errors.ts';
import { type CampaignPlan, commandOf } from './simulate-plan.ts';
import type { SeedOutcome } from './simulate-worker.ts';

/** The first line of a state file: which campaign this is. */
export interface StateHeader {
  readonly format: 'quorate-simulation-state';
  readonly version: 1;
  /** Of the code that ran the seeds; outcomes of another build would not add up. */
  readonly build: string;
  readonly plan: CampaignPlan;
  /** Append the totals to the committed results at the end. */
  readonly record: boolean;
}

/** Every other line: what came out of the run at one place. */
export interface StateLine {
  readonly place: number;
  /** Real milliseconds that the campaign had been running, over all its sittings. */
  readonly atMs: number;
  readonly outcome: SeedOutcome;
}

/**
 * What a campaign has found so far, one line of JSON a run, so that it can go on after an
 * interruption, a spent budget or a kill. The operating system keeps what a killed process wrote.
 */
export class StateFile {
  readonly path: string;
  readonly header: StateHeader;
  /** What earlier sittings found. */
  readonly lines: readonly StateLine[];
  private readonly file: number;

  private constructor(path: string, header: StateHeader, lines: StateLine[], file: number) {
    this.path = path;
    this.header = header;
    this.lines = lines;
    this.file = file;
  }

  /** A new file at `path`, which must not exist. */
  static begin(path: string, header: StateHeader): StateFile {
    const file = openSync(path, 'ax');
    writeSync(file, `${JSON.stringify(header)}\n`);
    return new StateFile(path, header, [], file);
  }

  /** The file of an earlier sitting. Throws `UsageError` when it is not one of this build's. */
  static open(path: string, build: string): StateFile {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      throw new UsageError(`--resume ${path}: ${(error as NodeJS.ErrnoException).code}`);
    }
    // A killed process may leave half a line behind; its run is done again.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    const [first = '', ...rest] = whole.split('\n').filter((line) => line !== '');
    const header = headerOf(path, first);
    if (header.build !== build) {
      throw new UsageError(
        `--resume ${path}: begun by build ${header.build}, this is build ${build}; begin anew: ` +
          commandOf(header.plan),
      );
    }
    const lines = rest.map((line, i) => lineOf(path, line, i + 2));
    const file = openSync(path, 'r+');
    ftruncateSync(file, Buffer.byteLength(whole));
    closeSync(file);
    return new StateFile(path, header, lines, openSync(path, 'a'));
  }

  /** Adds what came out of one run. */
  append(line: StateLine): void {
    writeSync(this.file, `${JSON.stringify(line)}\n`);
  }

  /** The campaign is complete: nothing is left to go on with. */
  remove(): void {
    closeSync(this.file);
    rmSync(this.path, { force: true });
  }
}

function headerOf(path: string, line: string): StateHeader {
  const header = parsed(line) as Partial<StateHeader> | null;
  if (header?.format !== 'quorate-simulation-state' || header.version !== 1) {
    throw new UsageError(`--resume ${path}: not the state of a campaign of this version`);
  }
  return header as StateHeader;
}

function lineOf(path: string, text: string, number: number): StateLine {
  const line = parsed(text) as StateLine | null;
  if (typeof line?.place === 'number' && typeof line.outcome?.hash === 'string') return line;
  throw new UsageError(`--resume ${path}: line ${number} is damaged; delete it and go on`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
