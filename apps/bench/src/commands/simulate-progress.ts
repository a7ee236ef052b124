import { CLEAR_LINE, type ProgressTarget, standardError, timeLeft } from '../terminal/progress.ts';
import type { SeedTask } from './simulate-worker.ts';

const LIVE_REDRAW_MS = 500;
/** Without a terminal each report is a line of a log. */
const PLAIN_EVERY_MS = 10_000;

/** How far a campaign is. */
export interface CampaignPosition {
  readonly done: number;
  readonly runs: number;
  readonly failed: number;
}

/** Progress of a campaign on stderr: one live line on a terminal, a line now and then elsewhere. */
export class CampaignProgress {
  private readonly target: ProgressTarget;
  private readonly doneBefore: number;
  private readonly endsAt: number;
  private readonly startedAt = performance.now();
  private drawnAt: number;

  /** `doneBefore` runs were done by earlier sittings; no run begins after `endsAt`. */
  constructor(doneBefore: number, endsAt: number, target: ProgressTarget = standardError()) {
    this.target = target;
    this.doneBefore = doneBefore;
    this.endsAt = endsAt;
    this.drawnAt = target.live ? 0 : this.startedAt;
  }

  /** A run has ended. */
  ended(position: CampaignPosition, task: SeedTask): void {
    const now = performance.now();
    const { live } = this.target;
    const last = position.done === position.runs;
    if (now - this.drawnAt < (live ? LIVE_REDRAW_MS : PLAIN_EVERY_MS) && !last) return;
    this.drawnAt = now;
    const text = this.text(position, task, now);
    if (live) this.target.write(`${CLEAR_LINE}${text.slice(0, this.target.columns() - 1)}`);
    else this.target.write(`${text}\n`);
  }

  /** Text that stays. */
  say(text: string): void {
    this.target.write(`${this.target.live ? CLEAR_LINE : ''}${text}`);
  }

  private text({ done, runs, failed }: CampaignPosition, task: SeedTask, now: number): string {
    const percent = `${Math.floor((100 * done) / runs)}`.padStart(3);
    const perMs = (done - this.doneBefore) / Math.max(1, now - this.startedAt);
    const left = Math.min((runs - done) / perMs, this.endsAt - now);
    const rate = `${(1000 * perMs).toFixed(1)} runs/s`;
    const then = done === runs ? 'done' : `${timeLeft(left)} (${task.protocol} seed ${task.seed})`;
    return `${percent} %  ${done}/${runs} runs, ${failed} failed, ${rate}, ${then}`;
  }
}
