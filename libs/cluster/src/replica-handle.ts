import type { ControlLink } from './control-link.ts';
import type { ReadyLine } from './control-protocol.ts';
import type { Evidence } from './description.ts';

/** One running replica, in whichever runtime. */
export interface ReplicaHandle {
  readonly id: number;
  readonly link: ControlLink;
  /** What the replica said when it was ready. */
  readonly ready: ReadyLine;
  /** False once it has ended. */
  readonly isAlive: boolean;
  /** Ends it without grace: SIGKILL, or termination of the thread. */
  kill(): Promise<Evidence>;
  /**
   * Stops it from making any step: SIGSTOP, or a blocked event loop. `micros` is how long the pause
   * is meant to last; a thread needs it beforehand, a process is resumed by `resume`.
   */
  pause(micros: number): Promise<Evidence>;
  resume(): Promise<Evidence>;
  /** Ends it with grace; resolves when it is gone. Kills it when grace takes too long. */
  stop(): Promise<void>;
}
