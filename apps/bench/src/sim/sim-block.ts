import { createRandom, required } from '@quorate/foundation';
import { protocolNamed } from '@quorate/kv-server';
import { clientAddress, HostCluster, SimulationFailure } from '@quorate/simulator';
import { ViolationError } from '../errors.ts';
import type { BlockEvent, BlockInput, BlockResult } from '../run/block.ts';
import { type BlockStage, measureBlock } from '../run/block-phases.ts';
import { LoaderHandle } from '../run/loader-handle.ts';
import { rulesOf } from './protocol-rules.ts';
import { SimFaultDriver } from './sim-fault-driver.ts';
import { readSimGauges, watchSimGauges } from './sim-gauges.ts';
import { simulatedLoader } from './sim-loader.ts';
import { settingsOf, swarmOf } from './sim-model.ts';
import { SimTime } from './sim-time.ts';

const LEADER_LIMIT_MICROS = 15_000_000;
const SETTLED_LOOK_MICROS = 1_000;
const SEED_BOUND = 2 ** 31;
/** After the last answer of a phase, so long until its last notices and syncs are through. */
const QUIET_MICROS = 5_000;

type Cluster = HostCluster<unknown>;

/**
 * One block on virtual time: the production replicas, logs and clients of a simulated cluster,
 * under the scenario’s load and faults. Its clock begins at 0; `runOriginMicros` places it there.
 * Throws {@link ViolationError} when a ghost of the simulator sees an invariant broken.
 */
export async function runSimBlock(input: BlockInput): Promise<BlockResult> {
  const { plan, protocol, index, order, runOriginMicros } = input;
  const events: BlockEvent[] = [];
  try {
    const cluster = startCluster(input, events);
    const found = cluster.runUntil(LEADER_LIMIT_MICROS, () => cluster.leader() !== null);
    if (!found) throw new Error(`no leader within ${LEADER_LIMIT_MICROS / 1e6} s of virtual time`);
    const time = new SimTime(cluster, input.signal);
    const retry = input.attempt > 0 ? `-try${input.attempt + 1}` : '';
    const measured = await measureBlock(
      input,
      stageOf(input, cluster, time),
      `${protocol}-${index}${retry}`,
    );
    const variants = required(protocolNamed(protocol), protocol).variants;
    return {
      ...{ protocol, index, order, events },
      startMs: -runOriginMicros / 1000,
      durationMs: time.now() / 1000,
      unexpectedExits: [],
      pids: new Map(),
      variants: { ...variants, ...settingsOf(plan.scenario, protocol).variants },
      ...measured,
    };
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    throw new ViolationError(`${protocol} block ${index + 1}: ${error.message}`);
  }
}

function startCluster(input: BlockInput, events: BlockEvent[]): Cluster {
  const { plan, index, runOriginMicros } = input;
  const { scenario } = plan;
  const rules = rulesOf(input.protocol);
  return new HostCluster({
    protocol: required(protocolNamed(input.protocol), input.protocol),
    ...(rules === null ? {} : { rules }),
    seed: createRandom(`${scenario.seed}/block-${index}/simulation`).below(SEED_BOUND),
    swarm: swarmOf(scenario, input.protocol),
    settings: settingsOf(scenario, input.protocol),
    onEngineEvent: (node, { kind: event, round, node: about, detail }, at) => {
      events.push({ atMs: (at - runOriginMicros) / 1000, node, event, round, about, detail });
    },
  });
}

/** Waits until nothing of the phase before is on its way: then counters are exact. */
function settled(cluster: Cluster, time: SimTime<unknown>): Promise<void> {
  const { queue } = cluster.world;
  return time.during(new Promise((resolve) => void queue.after(QUIET_MICROS, resolve)));
}

function stageOf(input: BlockInput, cluster: Cluster, time: SimTime<unknown>): BlockStage {
  const { plan, index, runOriginMicros } = input;
  const { seed } = plan.scenario;
  return {
    loader: new LoaderHandle(simulatedLoader(cluster, time, `${seed}/block-${index}`)),
    addresses: cluster.world.ids.map(clientAddress),
    readGauges: () => settled(cluster, time).then(() => readSimGauges(cluster)),
    watchGauges: () => watchSimGauges(cluster),
    carryOut: (steps) => {
      const driver = new SimFaultDriver({
        ...{ cluster, steps, block: index, offsetMicros: -runOriginMicros },
        random: createRandom(`${seed}/roles/${index}`),
        onLine: (line) => input.progress.line(line),
      });
      driver.start();
      const settled = new Promise<void>((resolve) => {
        const look = (): void => {
          if (driver.isOver) resolve();
          else cluster.world.queue.after(SETTLED_LOOK_MICROS, look);
        };
        look();
      });
      return time.during(settled).then(() => driver.records);
    },
  };
}
