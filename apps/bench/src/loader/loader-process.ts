import { Loader } from './loader.ts';
import { machineWorld } from './loader-world.ts';
import type { LoaderAnswer, LoaderCommand } from './messages.ts';

// The load generator is a process of its own, so that its work is nobody's latency but its own, and
// its own CPU time is known. It ends when the harness does: the channel between them closes.

const answer = (message: LoaderAnswer): void => {
  process.send?.(message);
};
const loader = new Loader(answer, machineWorld());

process.on('disconnect', () => process.exit(0));
process.on('message', (command: LoaderCommand) => {
  loader.perform(command).catch((error: unknown) => {
    answer({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  });
});
