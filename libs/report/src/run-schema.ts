import { z } from 'zod';
import {
  amount,
  costsSchema,
  count,
  failoverSchema,
  failoverSummarySchema,
  faultSchema,
  filePath,
  instantMs,
  latencySchema,
  operationName,
  outcomesSchema,
  pointSchema,
  share,
  verdictsSchema,
} from './run-parts.ts';

const oneOrMore = (of: z.ZodNumber) => z.union([of, z.array(of).min(1)]);

const loadSchema = z.strictObject({
  mode: z.enum(['open', 'closed']),
  ratePerSecond: oneOrMore(amount).nullable().optional(),
  inFlight: oneOrMore(count).nullable().optional(),
  arrival: z.string().nullable(),
  mix: z.record(z.string(), amount),
  keys: count,
  keyDistribution: z.string(),
});

/** Delays of a simulated cluster, in microseconds. Work takes no time in it. */
const modelSchema = z.strictObject({
  linkDelayUs: z.tuple([amount, amount]),
  timersLateMaxUs: amount,
  diskReadUs: amount,
  diskWriteUs: amount,
  diskSyncUs: amount,
  /** Of the log; a roll of segments costs syncs of its own. */
  segmentBytes: count,
});

const labelsSchema = z.strictObject({
  sync: z.string(),
  nodes: count,
  payloadBytes: count,
  readLevel: z.string(),
  transport: z.string(),
  runtime: z.string(),
  clientPosition: z.string(),
  clientProtocol: z.string(),
  batching: z.strictObject({ maxBytes: count, maxEntries: count, maxInFlight: count }),
  heartbeatMs: amount,
  electionTimeoutMs: z.tuple([amount, amount]),
  retryPolicy: z.string(),
  routing: z.string(),
  /** What failure detectors listen to; the same for all protocols of a run. */
  detector: z.string().optional(),
  /** Runtime `sim` only: the delays that its latencies are made of. */
  model: modelSchema.optional(),
  load: loadSchema,
});

const environmentSchema = z.strictObject({
  commit: z.string().nullable(),
  dirty: z.boolean().nullable(),
  lockfileSha256: z.string().nullable(),
  node: z.string(),
  os: z.string(),
  kernel: z.string(),
  cpuModel: z.string(),
  cores: count,
  memoryBytes: count,
  filesystem: z.string().nullable(),
  fsyncLatencyUs: z.strictObject({ p50: amount, p99: amount, samples: count }).nullable(),
});

const blockSchema = z.strictObject({
  index: count,
  order: count,
  status: z.enum(['ok', 'void']),
  voidReason: z.string().nullable(),
  startMs: instantMs,
  durationMs: amount,
  warmupMs: amount.nullable(),
  history: filePath.nullable(),
  events: filePath.nullable(),
});

const throughputSchema = z.strictObject({
  offeredPerSecond: amount.nullable(),
  committedWritesPerSecond: amount,
  opsPerSecond: amount,
  low95: amount.nullable(),
  high95: amount.nullable(),
});

const replicaSchema = z.strictObject({
  node: z.number().int(),
  pid: count.nullable(),
  eventLoopDelayP99Ms: amount.nullable(),
  gcMaxMs: amount.nullable(),
  rssMaxBytes: count.nullable(),
});

const protocolSchema = z.strictObject({
  name: z.string().min(1),
  target: z.enum(['quorate', 'external']),
  variants: z.record(z.string(), z.union([z.boolean(), z.string(), z.number()])),
  labels: z.record(z.string(), z.unknown()),
  blocks: z.array(blockSchema),
  throughput: throughputSchema.nullable(),
  operations: z.partialRecord(operationName, outcomesSchema),
  latencyMs: z.partialRecord(operationName, latencySchema),
  points: z.array(pointSchema),
  faults: z.array(faultSchema),
  failovers: z.array(failoverSchema),
  failover: failoverSummarySchema.nullable(),
  cost: costsSchema.nullable(),
  replicas: z.array(replicaSchema),
  verdicts: verdictsSchema,
});

const generatorSchema = z.strictObject({
  pid: count.nullable(),
  /** Null on virtual time, where no start can be late. */
  missedStarts: count.nullable(),
  missedStartsShare: share.nullable(),
  eventLoopDelayP99Ms: amount.nullable(),
  cpuShare: amount.nullable(),
  gcMaxMs: amount.nullable(),
  healthy: z.boolean(),
  voidReasons: z.array(z.string()),
  voidBlocksRepeated: count,
});

const comparisonSchema = z.strictObject({
  a: z.string(),
  b: z.string(),
  metric: z.string(),
  ratio: amount,
  low95: amount,
  high95: amount,
  pHolm: share,
  verdict: z.enum(['faster', 'slower', '~']),
});

const filesSchema = z.strictObject({
  report: filePath.nullable(),
  markdown: filePath.nullable(),
  junit: filePath.nullable(),
  series: filePath.nullable(),
  charts: z.array(filePath),
  hlogs: z.array(filePath),
});

/** `run.json`, schema version 1. Unknown fields are errors, so that writer and reader agree. */
export const runSchema = z.strictObject({
  schemaVersion: z.literal(1),
  status: z.enum(['complete', 'interrupted', 'void']),
  exitCode: z.number().int().min(0).max(255),
  startedAt: z.iso.datetime({ offset: true }),
  durationMs: amount,
  /** True for runs that are too small to compare; every page says so. */
  quick: z.boolean(),
  command: z.array(z.string()),
  scenario: z.strictObject({
    name: z.string().min(1),
    file: z.string().nullable(),
    sha256: z.string().nullable(),
    resolved: z.record(z.string(), z.unknown()),
  }),
  seed: z.union([z.string(), z.number()]),
  environment: environmentSchema,
  labels: labelsSchema,
  protocols: z.array(protocolSchema),
  generator: generatorSchema,
  comparison: z.array(comparisonSchema).nullable(),
  verdict: z.strictObject({ exit: z.number().int(), lines: z.array(z.string()) }),
  files: filesSchema,
});

/** The content of `run.json`. */
export type Run = z.infer<typeof runSchema>;
/** One protocol of a run. */
export type RunProtocol = Run['protocols'][number];
/** One fault of a protocol. */
export type RunFault = RunProtocol['faults'][number];
/** What one fault did to the clients. */
export type RunFailover = RunProtocol['failovers'][number];
/** One SLO, judged. */
export type RunSlo = RunProtocol['verdicts']['slo'][number];
/** The operations that results tell apart. */
export type RunOperation = z.infer<typeof operationName>;
/** Latency of one kind of operation in milliseconds. */
export type RunLatency = z.infer<typeof latencySchema>;
/** Phases of a failover: cumulative milliseconds from the fault's installation. */
export type FailoverPhases = RunFailover['phasesMs'];

/** The phases of a failover in the order in which they end. */
export const FAILOVER_PHASES = [
  'suspicion',
  'candidacy',
  'elected',
  'repaired',
  'firstCommit',
  'firstClientSuccess',
  'throughput90',
] as const satisfies readonly (keyof FailoverPhases)[];

/** The JSON Schema of `run.json` as text, for `docs/reference/run.schema.json`. */
export function runJsonSchemaText(): string {
  const schema = z.toJSONSchema(runSchema);
  const titled = { ...schema, title: 'Quorate run.json, schema version 1' };
  return `${JSON.stringify(titled, null, 2)}\n`;
}
