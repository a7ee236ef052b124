export { DiskClock } from './disk/disk-clock.ts';
export type { DiskFault, DiskOperation } from './disk/disk-faults.ts';
export {
  type DiskDelays,
  SimulatedDisk,
  type SimulatedDiskOptions,
} from './disk/simulated-disk.ts';
export {
  acceptRecord,
  HARNESS_DIRECTORY,
  HARNESS_IDENTITY,
  WalHarness,
} from './disk/wal-harness.ts';
export { type Batch, DurableLog } from './engine-level/durable-log.ts';
export { EngineHost, type HostEnvironment, type HostOptions } from './engine-level/engine-host.ts';
export { type Fail, GhostState } from './engine-level/ghost-state.ts';
export { entryKey, type MachineImage, MemoryMachine } from './engine-level/memory-machine.ts';
export { drawEngineSwarm, type EngineSwarm } from './engine-swarm.ts';
export { EventQueue } from './event-queue.ts';
export { SimulationFailure } from './failure.ts';
export { CausalTrace, nodeName, SHIVIZ_PARSER } from './host-level/causal-trace.ts';
export { FIRST_CLIENT_NODE } from './host-level/client-load.ts';
export { entryMark } from './host-level/durable-facts.ts';
export {
  type FaultEvent,
  HOST_FAULT_KINDS,
  type HostFaultKind,
} from './host-level/fault-schedule.ts';
export { HostCluster } from './host-level/host-cluster.ts';
export { HostNode } from './host-level/host-node.ts';
export type { HostRunOptions, HostSettings, SwarmOptions } from './host-level/host-options.ts';
export { type HostRunResult, type RunFailure, runHosts } from './host-level/host-run.ts';
export { clientAddress } from './host-level/host-world.ts';
export { type LinkEffect, LinkEffects } from './host-level/link-effects.ts';
export { expectedProbes, PROBES, type Probe } from './host-level/probes.ts';
export { shrinkEvents } from './host-level/shrink.ts';
export { LinkMatrix } from './link-matrix.ts';
export { ALL_MUTANTS } from './mutants/all-mutants.ts';
export { applyPatch, type Mutant, PatchMisfit, type SourcePatch } from './mutants/mutant.ts';
export {
  type Channels,
  type ClientRequest,
  type ClusterOptions,
  type ConfigOverrides,
  DEFAULT_DISK,
  DEFAULT_NETWORK,
  type DiskOptions,
  type LinkSettings,
  type NetworkOptions,
  type Outcome,
} from './options.ts';
export { HIGH_WATER_BYTES } from './ports/byte-pipe.ts';
export { SimulatedNetwork } from './ports/simulated-net.ts';
export {
  SimulatedClock,
  type SimulatedClockOptions,
  SimulatedProcess,
} from './ports/simulated-process.ts';
export { FAULT_KINDS, type FaultKind, RandomFaults } from './random-faults.ts';
export type { ObservedRun, ProtocolRules, RunObserver } from './run-observer.ts';
export { SimulatedCluster } from './simulated-cluster.ts';
export { SteadyLoad } from './steady-load.ts';
export { Trace } from './trace.ts';
