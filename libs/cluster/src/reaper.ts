import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Makes sure that nothing outlives the harness: a small companion process that kills what is
 * registered here, and removes temporary folders, once the harness is gone for whatever reason.
 */
export class Reaper {
  private readonly child: ChildProcess;

  constructor() {
    // The companion is plain Node; where this runs from the sources, the build has it.
    const entry = import.meta.url.endsWith('.ts') ? '../dist' : '.';
    const script = fileURLToPath(new URL(`${entry}/reaper-process.js`, import.meta.url));
    this.child = spawn(process.execPath, [script], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true, // Ctrl-C in a terminal goes to the whole group; this must outlive it.
    });
    this.child.on('error', () => undefined);
    this.child.stdin?.on('error', () => undefined);
    this.child.unref();
    const pipe = this.child.stdin as (NodeJS.WritableStream & { unref?: () => void }) | null;
    pipe?.unref?.();
  }

  /** Kill this process when the harness is gone. */
  watch(pid: number): void {
    this.tell({ watch: pid });
  }

  /** The process has ended by itself. */
  forget(pid: number): void {
    this.tell({ forget: pid });
  }

  /** Remove this folder when the harness is gone. */
  watchFolder(folder: string): void {
    this.tell({ folder });
  }

  /** The folder was removed, or shall stay. */
  keepFolder(folder: string): void {
    this.tell({ keep: folder });
  }

  /** Ends the companion, which does its work on whatever is still registered. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.child.exitCode !== null || this.child.signalCode !== null) return resolve();
      this.child.ref();
      this.child.once('exit', () => resolve());
      this.child.stdin?.end();
    });
  }

  private tell(message: object): void {
    this.child.stdin?.write(`${JSON.stringify(message)}\n`);
  }
}
