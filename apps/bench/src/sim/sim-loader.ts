import { nodeId } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import {
  FIRST_CLIENT_NODE,
  type HostCluster,
  SimulatedClock,
  SimulatedProcess,
} from '@quorate/simulator';
import { tcpFrames } from '@quorate/transport';
import { Loader } from '../loader/loader.ts';
import type { LoaderWorld } from '../loader/loader-world.ts';
import type { OpenLoaderChannel } from '../run/loader-handle.ts';
import type { SimTime } from './sim-time.ts';

/**
 * The loader of real runs, its operations drawn and recorded the same way, with its clients in a
 * simulated process of a machine of its own.
 */
export function simulatedLoader<M>(
  cluster: HostCluster<M>,
  time: SimTime<M>,
  seed: string,
): OpenLoaderChannel {
  return (answered) => {
    const loader = new Loader(answered, simulatedWorld(cluster, seed));
    return {
      send: (command, failed) => {
        const work = loader.perform(command);
        // Opening and writing files take no virtual time.
        const takesTime = command.op === 'phase' || command.op === 'readBack';
        (takesTime ? time.during(work) : work).catch(failed);
      },
      close: () => Promise.resolve(),
    };
  };
}

function simulatedWorld<M>(cluster: HostCluster<M>, seed: string): LoaderWorld {
  const { network, queue } = cluster.world;
  const process = new SimulatedProcess(nodeId(FIRST_CLIENT_NODE));
  const clock = new SimulatedClock(queue, process, createRandom(`${seed}/loader clock`));
  return {
    health: null,
    now: () => queue.now(),
    wake: (atMicros, callback) => {
      // Whole microseconds, as every other time of the simulation.
      queue.schedule(Math.ceil(atMicros), callback);
    },
    edges: () => ({ network: tcpFrames(network.netOf(process)), clock }),
    close: () => Promise.resolve(),
  };
}
