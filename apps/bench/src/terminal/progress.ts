import pc from 'picocolors';

const REDRAW_MS = 100;
const BAR_CELLS = 20;
/** Takes back what stands on the current line of a terminal. */
export const CLEAR_LINE = '\r\u001b[2K';

/** Where progress goes: stderr, or what a test puts in its place. */
export interface ProgressTarget {
  readonly write: (text: string) => void;
  /** True on a terminal that can redraw a line. */
  readonly live: boolean;
  readonly colours: boolean;
  /** Columns of the terminal; a live line that wraps could not be taken back. */
  readonly columns: () => number;
}

/** Stderr as it is: live on a terminal, colours unless NO_COLOR is set. */
export function standardError(): ProgressTarget {
  const isTerminal = process.stderr.isTTY === true;
  return {
    write: (text) => process.stderr.write(text),
    live: isTerminal && process.env.TERM !== 'dumb',
    colours: isTerminal && !process.env.NO_COLOR,
    columns: () => process.stderr.columns ?? 80,
  };
}

/**
 * Progress on stderr: one live line with the time left on a terminal, plain lines elsewhere.
 * Colours follow NO_COLOR. Machines read stdout, which this never touches.
 */
export class Progress {
  private readonly target: ProgressTarget;
  private readonly live: boolean;
  private readonly colours: ReturnType<typeof pc.createColors>;
  private title = '';
  private phaseName = '';
  private phaseMs = 0;
  private phaseStart = 0;
  private completed = 0;
  private inFlight = 0;
  private step = 0;
  private steps = 0;
  private expectedEnd = 0;
  private timer: NodeJS.Timeout | null = null;

  constructor(target: ProgressTarget = standardError()) {
    this.target = target;
    this.live = target.live;
    this.colours = pc.createColors(target.colours);
    if (this.live) {
      this.timer = setInterval(() => this.draw(), REDRAW_MS);
      this.timer.unref();
    }
  }

  /** Says how long the whole run is expected to take. */
  expect(totalMs: number): void {
    this.expectedEnd = performance.now() + totalMs;
  }

  /** A block begins: `step` of `steps`, from 1. */
  block(title: string, step: number, steps: number): void {
    this.title = title;
    this.step = step;
    this.steps = steps;
    this.phaseName = 'starting replicas';
    this.phaseMs = 0;
    this.write(this.colours.bold(`[${step}/${steps}] ${title}`));
  }

  /** A phase of the block begins; 0 where its length is not known. */
  phase(name: string, durationMs: number): void {
    this.phaseName = name;
    this.phaseMs = durationMs;
    this.phaseStart = performance.now();
    this.completed = 0;
    this.inFlight = 0;
    if (!this.live) {
      const length = durationMs > 0 ? ` (${(durationMs / 1000).toFixed(1)} s)` : '';
      this.write(`  ${name}${length}`);
    }
  }

  /** How many operations of the phase have ended, and how many have not. */
  operations(completed: number, inFlight: number): void {
    this.completed = completed;
    this.inFlight = inFlight;
  }

  /** One line that stays: a fault, a remark. */
  line(text: string): void {
    this.write(`  ${this.colours.dim(text)}`);
  }

  /** Removes the live line; what follows is the caller's. */
  end(): void {
    if (this.timer === null) return;
    clearInterval(this.timer);
    this.timer = null;
    this.target.write(CLEAR_LINE);
  }

  private write(text: string): void {
    this.target.write(`${this.live ? CLEAR_LINE : ''}${text}\n`);
    if (this.live) this.draw();
  }

  private draw(): void {
    if (this.timer === null) return;
    const { cyan, dim } = this.colours;
    const elapsed = performance.now() - this.phaseStart;
    const share = this.phaseMs > 0 ? Math.min(1, elapsed / this.phaseMs) : 0;
    const full = Math.round(share * BAR_CELLS);
    const bar = this.phaseMs > 0 ? `${'█'.repeat(full)}${'░'.repeat(BAR_CELLS - full)} ` : '';
    const left = timeLeft(this.expectedEnd - performance.now());
    const operations = this.completed.toLocaleString('en-US');
    const counts = this.completed > 0 ? `${operations} ops, ${this.inFlight} in flight, ` : '';
    const parts: readonly (readonly [text: string, paint: (text: string) => string])[] = [
      [`[${this.step}/${this.steps}] ${this.title}: ${this.phaseName} `, (text) => text],
      [bar, cyan],
      [`${counts}${left}`, dim],
    ];
    let room = this.target.columns() - 1;
    let line = '';
    for (const [text, paint] of parts) {
      line += paint(text.slice(0, room));
      room = Math.max(0, room - text.length);
    }
    this.target.write(`${CLEAR_LINE}${line}`);
  }
}

/** `about 1 min 20 s left`; a run that overran its estimate says nothing false. */
export function timeLeft(ms: number): string {
  if (ms < 1_000) return 'nearly done';
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  return `about ${minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`} left`;
}
