import pc from 'picocolors';

const REDRAW_MS = 100;
const BAR_CELLS = 20;
const CLEAR_LINE = '\r\u001b[2K';

/**
 * Progress on stderr: one live line with the time left on a terminal, plain lines elsewhere. Colours
 * follow NO_COLOR. Machines read stdout, which this never touches.
 */
export class Progress {
  private readonly live: boolean;
  private readonly colours = pc.createColors(process.stderr.isTTY && !process.env.NO_COLOR);
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

  constructor() {
    this.live = process.stderr.isTTY === true && process.env.TERM !== 'dumb';
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
    if (!this.live) this.write(`[${step}/${steps}] ${title}`);
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
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    if (this.live) process.stderr.write(CLEAR_LINE);
  }

  private write(text: string): void {
    process.stderr.write(`${this.live ? CLEAR_LINE : ''}${text}\n`);
    if (this.live) this.draw();
  }

  private draw(): void {
    const { bold, cyan, dim } = this.colours;
    const elapsed = performance.now() - this.phaseStart;
    const share = this.phaseMs > 0 ? Math.min(1, elapsed / this.phaseMs) : 0;
    const full = Math.round(share * BAR_CELLS);
    const bar = this.phaseMs > 0 ? `${'█'.repeat(full)}${'░'.repeat(BAR_CELLS - full)} ` : '';
    const leftSeconds = Math.max(0, Math.round((this.expectedEnd - performance.now()) / 1000));
    const counts = this.completed > 0 ? ` ${this.completed} ops, ${this.inFlight} in flight` : '';
    const head = `${bold(`[${this.step}/${this.steps}] ${this.title}`)} ${this.phaseName}`;
    const text = `${head} ${cyan(bar)}${dim(`${counts}  about ${leftSeconds} s left`)}`;
    process.stderr.write(`${CLEAR_LINE}${text}`);
  }
}
