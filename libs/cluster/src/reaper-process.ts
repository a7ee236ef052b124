import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { processState } from './process-state.ts';

// A companion of the harness, in a process group of its own. It reads on stdin which processes and
// folders the harness has, and does nothing else until that pipe closes. Then the harness is gone,
// by whatever end, SIGKILL included: each process alive is killed (a stopped one too, which could
// not notice by itself) and every temporary folder is removed.

interface Registration {
  readonly watch?: number;
  readonly forget?: number;
  readonly folder?: string;
  readonly keep?: string;
}

const processes = new Map<number, string>();
const folders = new Set<string>();

process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.on('SIGHUP', () => undefined);

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const message = JSON.parse(line) as Registration;
  if (message.watch !== undefined) {
    const state = processState(message.watch);
    if (state !== null) processes.set(message.watch, state.startTicks);
  }
  if (message.forget !== undefined) processes.delete(message.forget);
  if (message.folder !== undefined) folders.add(message.folder);
  if (message.keep !== undefined) folders.delete(message.keep);
});
lines.on('close', () => {
  for (const [pid, startTicks] of processes) {
    // The start time tells our process from a stranger that got the same number.
    if (processState(pid)?.startTicks !== startTicks) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended between the look and the signal.
    }
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.exit(0);
});
