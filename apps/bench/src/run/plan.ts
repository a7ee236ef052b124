import type { FaultEntry } from '@quorate/faults';
import type { Slo } from '@quorate/report';
import type { Scenario } from '../scenario/schema.ts';

/** Everything decided before anything is started. */
export interface RunPlan {
  readonly scenario: Scenario;
  readonly scenarioFile: string;
  readonly scenarioText: string;
  /** What the person typed, for the record. */
  readonly command: readonly string[];
  readonly faults: readonly FaultEntry[];
  readonly slos: readonly Slo[];
  /** Where the run folder goes. */
  readonly outDirectory: string;
  readonly clientTransport: 'grpc' | 'tcp';
  readonly json: boolean;
}

/** The cluster size for a protocol: the baseline replicates nothing. */
export function nodesFor(scenario: Scenario, protocol: string): number {
  return protocol === 'none' ? 1 : scenario.nodes;
}
